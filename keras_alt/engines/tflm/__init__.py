"""TensorFlow Lite for Microcontrollers: runs the files of `keras_alt.export.to_litert`."""
