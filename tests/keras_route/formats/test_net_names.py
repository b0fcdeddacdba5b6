import pytest

from keras_route.formats.net_names import names_in_layout, titles
from keras_route.layout.net import Net


def net(**attributes):
    return Net(((0, 0), (3, 3)), (), (), **attributes)


def test_nets_without_a_name_are_numbered():
    assert names_in_layout([net(), net(name="clk[3]"), net()]) == ["net_0", "clk[3]", "net_2"]


def test_titles_may_be_anything():
    assert titles([net(name="a b"), net(), net(name="a b")]) == ["a b", "net_1", "a b"]


@pytest.mark.parametrize("name", ["a", "net_0", "TOP", "two words", "a;b", "a\nb"])
def test_names_that_a_file_cannot_hold(name):
    with pytest.raises(ValueError, match=r"different names.*Received: name="):
        names_in_layout([net(), net(name="a"), net(name=name)])
