"""DICOM images: what they say, and the numbers that they stand for."""
