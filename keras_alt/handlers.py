"""A table of functions by layer type, filled by a decorator."""


class Handlers(dict):
    """`{key: function}`, filled by a decorator."""

    def handles(self, *keys):
        """Return a decorator that enters a function under `keys`."""

        def register(function):
            self.update(dict.fromkeys(keys, function))
            return function

        return register
