"""Ten small backbones of keras-hub with random weights, and samples for them."""

import numpy as np

RNG = np.random.default_rng(0)


def image(size=32):
    return RNG.uniform(0, 1, (2, size, size, 3)).astype("float32")


def text(length=12):
    """Return ids and masks of two texts."""
    ids = RNG.integers(1, 100, (2, length)).astype("int32")
    return {
        "token_ids": ids,
        "padding_mask": np.ones_like(ids),
        "segment_ids": np.zeros_like(ids),
    }


def resnet(hub):
    return hub.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[2, 2],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(32, 32, 3),
    ), image()


def vgg(hub):
    return hub.VGGBackbone(
        stackwise_num_repeats=[1, 1], stackwise_num_filters=[16, 32], image_shape=(32, 32, 3)
    ), image()


def densenet(hub):
    return hub.DenseNetBackbone(
        stackwise_num_repeats=[2, 2], growth_rate=8, image_shape=(32, 32, 3)
    ), image()


def mobilenet(hub):
    return hub.MobileNetBackbone(
        stackwise_expansion=[[16], [32, 40]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[16], [24, 24]],
        stackwise_kernel_size=[[3], [3, 5]],
        stackwise_num_strides=[[2], [2, 1]],
        stackwise_se_ratio=[[0.25], [None, 0.25]],
        stackwise_activation=[["relu"], ["relu", "hard_swish"]],
        stackwise_padding=[[1], [1, 2]],
        output_num_filters=None,
        depthwise_filters=16,
        depthwise_stride=1,
        depthwise_residual=False,
        last_layer_filter=32,
        squeeze_and_excite=None,
        image_shape=(32, 32, 3),
    ), image()


def xception(hub):
    return hub.XceptionBackbone(
        stackwise_conv_filters=[[8, 8], [16, 16]],
        stackwise_pooling=[True, False],
        image_shape=(32, 32, 3),
    ), image()


def whisper(hub):
    model = hub.WhisperBackbone(
        vocabulary_size=100,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        num_mels=16,
        max_encoder_sequence_length=24,
        max_decoder_sequence_length=12,
    )
    texts = text()
    return model, {
        "encoder_features": RNG.normal(size=(2, 24, 16)).astype("float32"),
        "decoder_token_ids": texts["token_ids"],
        "decoder_padding_mask": texts["padding_mask"],
    }


def small(transformer):
    """Return a text transformer of two layers."""
    return transformer(
        vocabulary_size=100,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=12,
    )


def unsegmented():
    """Return ids and masks for a transformer without segments."""
    texts = text()
    return {name: texts[name] for name in ("token_ids", "padding_mask")}


def bert(hub):
    return small(hub.BertBackbone), text()


def distil_bert(hub):
    return small(hub.DistilBertBackbone), unsegmented()


def roberta(hub):
    return small(hub.RobertaBackbone), unsegmented()


def gpt2(hub):
    return small(hub.GPT2Backbone), unsegmented()


MAKERS = (resnet, vgg, densenet, mobilenet, xception, whisper, bert, distil_bert, roberta, gpt2)


def _made(make):
    def backbone():
        import keras_hub  # a benchmark extra; only its backbones need it

        return make(keras_hub.models)

    return backbone


BACKBONES = {f"hub:{make.__name__}": _made(make) for make in MAKERS}
