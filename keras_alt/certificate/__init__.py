"""Certificates: proofs about a program that hold for all inputs, and their checker."""

from keras_alt.certificate.checking import check_certificate as check_certificate
from keras_alt.certificate.document import write_certificate as write_certificate
