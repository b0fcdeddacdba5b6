"""Builds a LiteRT file from tensors, constants and operators.

The layout follows TensorFlow Lite's `schema.fbs`, version 3. `ai_edge_litert` contains the classes
generated from it.
"""

import numpy as np

IDENTIFIER = b"TFL3"
TYPES = {
    "int8": "INT8",
    "uint8": "UINT8",
    "int32": "INT32",
    "int64": "INT64",
    "float32": "FLOAT32",
    "bool": "BOOL",
}
OPEN_SIZE = 64  # until the user resizes the inputs; large enough for most networks
# Lowest version of each operator that takes int8; version 1 for all others.
VERSIONS = {
    "ADD": 2,
    "AVERAGE_POOL_2D": 2,
    "BATCH_MATMUL": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 4,
    "GATHER": 2,
    "LOGISTIC": 2,
    "TANH": 2,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MINIMUM": 2,
    "PAD": 2,
    "QUANTIZE": 2,
    "REDUCE_MAX": 2,
    "REDUCE_MIN": 2,
    "MUL": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2,
    "SLICE": 2,
    "SUB": 2,
    "SUM": 2,
    "TRANSPOSE": 2,
    "TRANSPOSE_CONV": 3,
}
OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2D",
    "BATCH_MATMUL": "BatchMatMul",
    "CONCATENATION": "Concatenation",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "FULLY_CONNECTED": "FullyConnected",
    "HARD_SWISH": "HardSwish",
    "GATHER": "Gather",
    "MAX_POOL_2D": "Pool2D",
    "MAXIMUM": "MaximumMinimum",
    "MEAN": "Reducer",
    "MINIMUM": "MaximumMinimum",
    "REDUCE_MAX": "Reducer",
    "REDUCE_MIN": "Reducer",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighbor",
    "SUM": "Reducer",
    "TRANSPOSE_CONV": "TransposeConv",
}
WITHOUT_OPTIONS = ("ELU", "LOGISTIC", "TANH")


class LiteRTFile:
    """Builds a file with one graph. Its batch size may be changed after loading.

    Args:
        name: name of the graph.
    """

    def __init__(self, name: str):
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.graph = schema.SubGraphT()
        self.graph.name = name
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "keras_alt"
        self.model.subgraphs = [self.graph]
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]  # buffer 0 means no data

    def tensor(self, name: str, shape: tuple, dtype="int8", scale=None, zero_point=0) -> int:
        """Add a tensor that an operator computes; return its index.

        `shape` excludes the batch. Sizes of None are open; the file is loaded with `OPEN_SIZE`.
        """
        loaded = (1, *(OPEN_SIZE if n is None else n for n in shape))
        signature = (-1, *(-1 if n is None else n for n in shape))
        return self._tensor(name, loaded, dtype, scale, zero_point, 0, signature)

    def list_of(self, dtype: str, name: str, count: int) -> int:
        """Add a list of numbers that an operator computes; return its index."""
        return self._tensor(name, (count,), dtype, None, 0, 0)

    def constant(
        self, name: str, values: np.ndarray, scale=None, zero_point=0, channel_axis=None
    ) -> int:
        """Add a constant of the type of `values`; return its index.

        `scale` is a number, or an array with one for each position of `channel_axis`.
        """
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        position = len(self.model.buffers) - 1
        index = self._tensor(name, values.shape, values.dtype.name, scale, zero_point, position)
        if channel_axis is not None:
            self.graph.tensors[index].quantization.quantizedDimension = channel_axis
        return index

    def _tensor(self, name, shape, dtype, scale, zero_point, buffer, signature=None):
        tensor = self.schema.TensorT()
        tensor.name = name
        tensor.shape = np.array(shape, np.int32)
        tensor.shapeSignature = None if signature is None else np.array(signature, np.int32)
        tensor.hasRank = True
        tensor.type = getattr(self.schema.TensorType, TYPES[dtype])
        tensor.buffer = buffer
        if scale is not None:
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale = np.array(scale, np.float32, ndmin=1)
            tensor.quantization.zeroPoint = np.full(np.size(scale), zero_point, np.int64)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def dtype(self, index: int) -> str | None:
        """Return the type of a tensor, None if it is none of `TYPES`."""
        kinds = {getattr(self.schema.TensorType, kind): name for name, kind in TYPES.items()}
        return kinds.get(self.graph.tensors[index].type)

    def shape(self, index: int) -> tuple:
        """Return the shape of a tensor without the batch."""
        return tuple(map(int, self.graph.tensors[index].shape[1:]))

    def grid(self, index: int) -> tuple[float, int]:
        """Return the scale and the zero point of a tensor."""
        quantization = self.graph.tensors[index].quantization
        return float(quantization.scale[0]), int(quantization.zeroPoint[0])

    def operator(self, code: str, inputs: list, outputs: list, **options):
        """Append an operator; `options` are the fields of its options in the schema."""
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._code(code)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        kind = OPTIONS.get(code, code.title()) + "Options"
        if code not in WITHOUT_OPTIONS:
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(self.schema, f"{kind}T")()
        for name, value in options.items():
            setattr(operator.builtinOptions, name, value)
        self.graph.operators.append(operator)

    def _code(self, name):
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = VERSIONS.get(name, 1)
        return self._registered(code)

    def _registered(self, code):
        """Return the index of an operator code; add it once for each version."""
        for index, other in enumerate(self.model.operatorCodes):
            if (other.builtinCode, other.version, other.customCode) == (
                code.builtinCode,
                code.version,
                code.customCode,
            ):
                return index
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def splice(self, data: bytes, inputs: list) -> list:
        """Append the graph of another file with these inputs; return the indices of its outputs.

        Its further graphs, such as the bodies of loops, are adopted too.
        """
        other = self.schema.ModelT.InitFromPackedBuf(data, 0)
        graph, *others = other.subgraphs
        first = len(self.model.subgraphs) - 1
        for part in other.subgraphs:
            for tensor in part.tensors:
                tensor.buffer = self._adopted(other.buffers[tensor.buffer])
            for operator in part.operators:
                operator.opcodeIndex = self._registered(other.operatorCodes[operator.opcodeIndex])
                self._renumber_graphs(operator, first)
        self.model.subgraphs.extend(others)
        moved = dict(zip(map(int, graph.inputs), inputs, strict=True))
        for index, tensor in enumerate(graph.tensors):
            if index not in moved:
                self.graph.tensors.append(tensor)
                moved[index] = len(self.graph.tensors) - 1
        moved[-1] = -1  # an omitted optional input
        for operator in graph.operators:
            for field in ("inputs", "outputs"):
                indices = [moved[int(i)] for i in getattr(operator, field)]
                setattr(operator, field, np.array(indices, np.int32))
            self.graph.operators.append(operator)
        return [moved[int(i)] for i in graph.outputs]

    def _adopted(self, buffer):
        """Return the index of a buffer of another file in this one."""
        if buffer.data is None or not len(buffer.data):
            return 0
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    @staticmethod
    def _renumber_graphs(operator, first):
        """Renumber the graphs that an operator runs: graph 1 of its file becomes `first + 1`."""
        for options in (operator.builtinOptions, operator.builtinOptions2):
            fields = vars(options) if options is not None else {}
            for field, index in fields.items():
                if field.endswith("SubgraphIndex"):
                    setattr(options, field, index + first)

    def finish(self, inputs: dict, outputs: dict) -> bytes:
        """Return the contents of the file.

        Args:
            inputs, outputs: `{name in the signature: index of the tensor}`.
        """
        import flatbuffers

        self.graph.inputs = np.array(list(inputs.values()), np.int32)
        self.graph.outputs = np.array(list(outputs.values()), np.int32)
        signature = self.schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.inputs, signature.outputs = self._named(inputs), self._named(outputs)
        self.model.signatureDefs = [signature]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def _named(self, indices):
        maps = []
        for name, index in indices.items():
            entry = self.schema.TensorMapT()
            entry.name, entry.tensorIndex = name, index
            maps.append(entry)
        return maps
