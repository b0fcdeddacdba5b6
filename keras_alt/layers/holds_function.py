"""What layers that stand for an operator of Keras write into their configuration."""

import keras


class HoldsFunction:
    """Mixin in front of a Keras layer: serializes the operator or layer that is its `function`."""

    function: keras.Operation

    def get_config(self):
        function = keras.saving.serialize_keras_object(self.function)
        return {**super().get_config(), "function": function}

    @classmethod
    def from_config(cls, config):
        function = keras.saving.deserialize_keras_object(config["function"])
        return super().from_config({**config, "function": function})
