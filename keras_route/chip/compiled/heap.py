"""A binary heap in two arrays: keys and items."""

from keras_route.chip.compiled.occupancy import jit


@jit
def push(keys, heap, count, key, place):
    i = count
    while i > 0:
        above = (i - 1) >> 1
        if keys[above] <= key:
            break
        keys[i], heap[i] = keys[above], heap[above]
        i = above
    keys[i], heap[i] = key, place
    return count + 1


@jit
def pop(keys, heap, count):
    """Remove the first element, at index 0; return the number of those left."""
    count -= 1
    key, place = keys[count], heap[count]
    i = 0
    while True:
        below = 2 * i + 1
        if below >= count:
            break
        if below + 1 < count and keys[below + 1] < keys[below]:
            below += 1
        if keys[below] >= key:
            break
        keys[i], heap[i] = keys[below], heap[below]
        i = below
    keys[i], heap[i] = key, place
    return count
