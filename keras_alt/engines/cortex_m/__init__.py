"""Cortex-M boards that QEMU emulates: the exported C, Arm's compiler of Debian, no hardware."""

from keras_alt.engines.cortex_m.boards import BOARDS as BOARDS
from keras_alt.engines.cortex_m.boards import Board as Board
from keras_alt.engines.cortex_m.costs import BoardCosts as BoardCosts
from keras_alt.engines.cortex_m.costs import costs_on_board as costs_on_board
