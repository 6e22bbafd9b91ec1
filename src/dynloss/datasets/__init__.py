"""Data sets: inputs with labels and the number of classes."""

from dynloss.datasets.base import Dataset as Dataset
from dynloss.datasets.spiral import spiral as spiral
from dynloss.datasets.spiral import spiral_validation as spiral_validation
