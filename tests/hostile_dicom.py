"""DICOM files that are spoilt, lying, hostile, or valid but no image (tests only).

Every function returns the bytes of a file. `spoilt_files` gathers them by name, so that one test
can ask of each: is it refused in one clear line, or read with the right numbers?
Nothing here is large: the bombs are a few kilobytes until somebody decodes them.
"""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
from dicom_writer import (
    Header,
    code_item,
    encode,
    gray_capture,
    pet_image,
    real_world_mapping,
    rgb_capture,
)
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    BasicTextSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    JPEG2000Lossless,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RealWorldValueMappingStorage,
    RLELossless,
    generate_uid,
)

PREAMBLE = 128
"""Bytes before the letters DICM."""

LONG_FORMS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT")
"""Value representations whose length takes four bytes after two that are reserved."""

BAD_SLOPES = ("abc", "4,5e-05", "nan", "inf", "1e400", "0", "-1", "", "1\\2", "4.5e-05 ml", "1_0")
"""Texts that stand where Rescale Slope should be a positive number."""


def spoilt_files(values: np.ndarray) -> dict[str, bytes]:
    """Spoilt and hostile files, most made of a good PT image of `values`, by their fault."""
    good = encode(pet_image(values))
    rgb = np.zeros((*np.shape(values), 3), np.uint8)
    screen = encode(rgb_capture(rgb))
    makers: dict[str, Callable[[], bytes]] = {
        "empty": lambda: b"",
        "text": lambda: b"rest,stress\n1.0,2.5\n",
        "png": lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 200,
        "preamble only": lambda: b"\0" * PREAMBLE + b"DICM",
        "mz preamble": lambda: b"MZ" + good[2:],
        "no preamble": lambda: good[PREAMBLE + 4 :],
        "no meta": lambda: without_meta(pet_image(values)),
        "header cut": lambda: good[: position(good, "Rows") - 40],
        "meta cut": lambda: good[: PREAMBLE + 60],
        "pixels cut": lambda: good[:-1000],
        "one byte of pixels missing": lambda: good[:-1],
        "padding behind pixels": lambda: with_value(good, "PixelData", pixels(good) + b"\0" * 4608),
        "pixel length 0xFFFFFFF0": lambda: with_length(good, "PixelData", 0xFFFFFFF0),
        "pixel length undefined": lambda: with_length(good, "PixelData", 0xFFFFFFFF),
        "no pixels": lambda: good[: position(good, "PixelData")],
        "no rows": lambda: without(good, "Rows"),
        "rows and columns 65535": lambda: with_size(good, 65535, 65535),
        "rows 0": lambda: with_size(good, 0, 48),
        "rows as SS": lambda: good.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00SS"),
        "rows as UN": lambda: with_value(good, "Rows", struct.pack("<H", 48), vr="UN"),
        "vr XX": lambda: good.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00XX"),
        "100000 frames": lambda: with_frames(good, b"100000"),
        "0 frames": lambda: with_frames(good, b"0 "),
        "-1 frames": lambda: with_frames(good, b"-1"),
        "2 frames in a PT image": lambda: with_frames(good, b"2 "),
        "12 bits allocated": lambda: with_value(good, "BitsAllocated", struct.pack("<H", 12)),
        "20 bits stored": lambda: with_value(good, "BitsStored", struct.pack("<H", 20)),
        "samples 2": lambda: with_value(good, "SamplesPerPixel", struct.pack("<H", 2)),
        "palette without tables": lambda: with_value(
            good, "PhotometricInterpretation", b"PALETTE COLOR "
        ),
        "rgb without planar configuration": lambda: without(screen, "PlanarConfiguration"),
        "latin-1 called utf-8": lambda: with_value(good, "SeriesDescription", b"Herzma\xdfe m\xfc"),
        "unknown charset": lambda: with_value(good, "SpecificCharacterSet", b"ISO_IR 999"),
        "unknown sop class": lambda: good.replace(b"5.1.4.1.1.128\0", b"5.1.4.1.1.999\0"),
        "private transfer syntax": lambda: with_syntax(good, b"1.2.840.113619.5.2\0\0"),
        "mpeg2": lambda: with_syntax(good, b"1.2.840.10008.1.2.4.100\0"),
        "called big endian": lambda: with_syntax(good, b"1.2.840.10008.1.2.2\0"),
        "called implicit": lambda: with_syntax(good, b"1.2.840.10008.1.2\0"),
        "called deflated": lambda: with_syntax(good, b"1.2.840.10008.1.2.1.99\0\0"),
        "called JPEG 2000": lambda: with_syntax(good, b"1.2.840.10008.1.2.4.90\0\0"),
        "nested 3000 deep": lambda: nested(pet_image(values), 3000),
        "deflate bomb": deflate_bomb,
        "deflated, cut": lambda: encode(pet_image(values), "deflated")[:-300],
        "JPEG 2000 bomb": jpeg2000_bomb,
        "JPEG 2000 bomb, size admitted": partial(jpeg2000_bomb, is_admitted=True),
        "JPEG-LS bomb": jpeg_ls_bomb,
        "JPEG-LS bomb, size admitted": partial(jpeg_ls_bomb, is_admitted=True),
        "RLE bomb": rle_bomb,
        "structured report": structured_report,
        "encapsulated pdf": encapsulated_pdf,
        "presentation state": presentation_state,
        "separate value mapping": separate_value_mapping,
        "dicomdir": dicomdir,
    }
    for syntax in ("RLE", "JPEG 2000", "JPEG lossless"):
        makers[f"corrupt {syntax}"] = partial(corrupt, values, syntax)
    for text in BAD_SLOPES:
        makers[f"slope {text!r}"] = partial(with_value, good, "RescaleSlope", text.encode())
    for text in ("abc", "nan", "-0.5", "1e400"):
        makers[f"intercept {text!r}"] = partial(with_value, good, "RescaleIntercept", text.encode())
    for text in ("BQML", "CNTS", "mlming", "ML/MIN/G", ""):
        makers[f"units {text!r}"] = partial(with_value, good, "Units", text.encode())
    return {name: make() for name, make in makers.items()}


# --- one element of a file changed, whatever pydicom would think of it ----------------------


def position(data: bytes, keyword: str) -> int:
    """Where a top-level element of an explicit little endian file begins (its last occurrence)."""
    tag = tag_for_keyword(keyword)
    vr = dictionary_VR(tag).split(" or ")
    starts = [struct.pack("<HH", tag >> 16, tag & 0xFFFF) + name.encode() for name in vr]
    return max(data.rfind(start) for start in starts)


def pixels(data: bytes) -> bytes:
    """The value of Pixel Data, which is the last element."""
    return data[position(data, "PixelData") + 12 :]


def with_value(data: bytes, keyword: str, value: bytes, vr: str | None = None) -> bytes:
    """The file with another raw value in an element that has one."""
    start, _, end = _extent(data, keyword)
    value += (b" " if vr is None and keyword != "PixelData" else b"\0") * (len(value) % 2)
    name = vr.encode() if vr else data[start + 4 : start + 6]
    is_long = name in LONG_FORMS
    length = struct.pack("<HI", 0, len(value)) if is_long else struct.pack("<H", len(value))
    return data[: start + 4] + name + length + value + data[end:]


def with_length(data: bytes, keyword: str, length: int) -> bytes:
    """The file with another stated length of an element, its value as it was."""
    _, value_start, _ = _extent(data, keyword)
    return data[: value_start - 4] + struct.pack("<I", length) + data[value_start:]


def without(data: bytes, keyword: str) -> bytes:
    """The file without an element."""
    start, _, end = _extent(data, keyword)
    return data[:start] + data[end:]


def with_size(data: bytes, rows: int, columns: int) -> bytes:
    data = with_value(data, "Rows", struct.pack("<H", rows))
    return with_value(data, "Columns", struct.pack("<H", columns))


def with_frames(data: bytes, count: bytes) -> bytes:
    """The file with a Number of Frames, which belongs before Rows."""
    start = position(data, "Rows")
    element = struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", len(count)) + count
    return data[:start] + element + data[start:]


def with_syntax(data: bytes, uid: bytes) -> bytes:
    """The file with another transfer syntax in its meta group, the rest as it was."""
    changed = with_value(data, "TransferSyntaxUID", uid)
    length_at = PREAMBLE + 12
    length = struct.unpack("<I", data[length_at : length_at + 4])[0] + len(changed) - len(data)
    return changed[:length_at] + struct.pack("<I", length) + changed[length_at + 4 :]


def without_meta(dataset: Dataset) -> bytes:
    """Implicit little endian from the first byte on, as old exports are."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def corrupt(values: np.ndarray, syntax: str) -> bytes:
    """A compressed PT image with noise in the middle of its code stream."""
    data = encode(pet_image(values), syntax)
    start = position(data, "PixelData") + 12
    middle = start + (len(data) - start) // 2
    noise = np.random.default_rng(0).integers(0, 256, 200, np.uint8).tobytes()
    return data[:middle] + noise + data[middle + 200 :]


def nested(dataset: Dataset, depth: int) -> bytes:
    """An image with sequences one inside the other; printing it ends the interpreter."""
    data = encode(dataset)
    step = 20  # a sequence header of 12 bytes, an item header of 8
    levels = []
    for left in range(depth, 0, -1):
        inner = step * left - 12
        levels.append(struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, inner))
        levels.append(struct.pack("<HHI", 0xFFFE, 0xE000, inner - 8))
    start = position(data, "PatientName")  # group 8 ends here
    return data[:start] + b"".join(levels) + data[start:]


# --- bombs: small until decoded ---------------------------------------------------------------


def deflate_bomb(inflated_mb: int = 64) -> bytes:
    """Deflated file whose header alone inflates to many megabytes of zeros (1000 to 1)."""
    data = encode(gray_capture(np.ones((8, 8))), "deflated")
    meta_end = PREAMBLE + 16 + struct.unpack("<I", data[PREAMBLE + 12 : PREAMBLE + 16])[0]
    size = inflated_mb << 20
    plain = zlib.decompress(data[meta_end:], -zlib.MAX_WBITS)
    element = struct.pack("<HH2sHI", 0x0099, 0x1010, b"OB", 0, size)
    start = position(plain, "PixelData")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [deflater.compress(plain[:start] + element)]
    for _ in range(inflated_mb):
        parts.append(deflater.compress(b"\0" * (1 << 20)))
    parts += [deflater.compress(plain[start:]), deflater.flush()]
    return data[:meta_end] + b"".join(parts)


def jpeg2000_bomb(side: int = 12000, is_admitted: bool = False) -> bytes:
    """About 2 kB that decode to side x side pixels; Rows and Columns say 48 unless admitted.

    A flat mid-gray image has only empty packets, as many as it has resolutions, whatever its size:
    so the size in its header can be raised and the code stream stays valid.
    """
    from PIL import Image

    buffer = io.BytesIO()
    small = Image.fromarray(np.full((64, 64), 128, np.uint8))
    small.save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
    stream = bytearray(buffer.getvalue())
    size_at = stream.index(b"\xff\x51") + 6  # SIZ: after marker, length and capabilities
    for offset in (0, 4, 16, 20):  # the image's and the tile's width and height
        stream[size_at + offset : size_at + offset + 4] = struct.pack(">I", side)
    return _bomb(bytes(stream), JPEG2000Lossless, side, is_admitted)


def jpeg_ls_bomb(side: int = 12000, is_admitted: bool = False) -> bytes:
    """About 2 kB that decode to side x side zeros: in run mode a whole line costs one bit."""
    run_lengths = [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [4, 4, 5, 5, 6, 6, 7, 7, *range(8, 16)]
    ones, index = 0, 0
    for _ in range(side):
        left = side
        while left > 0:  # a 1 for every full run, and for the rest of the line
            full = left >= 1 << run_lengths[index]
            left -= 1 << run_lengths[index]
            ones += 1
            index = min(index + 1, 31) if full else index
    scan = bytearray()
    while ones > 0:  # after a byte of ones comes a 0 bit and seven more
        width = 7 if scan and scan[-1] == 0xFF else 8
        used = min(width, ones)
        scan.append(((1 << used) - 1) << (width - used))
        ones -= used
    if scan[-1] == 0xFF:
        scan.append(0)
    frame = b"\xff\xf7\x00\x0b\x08" + struct.pack(">HH", side, side) + b"\x01\x01\x11\x00"
    start = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00"
    stream = b"\xff\xd8" + frame + start + bytes(scan) + b"\xff\xd9"
    return _bomb(stream, JPEGLSLossless, side, is_admitted)


def rle_bomb(side: int = 6016) -> bytes:
    """Runs of 128 zeros, 64 to 1; the decoder goes by Rows and Columns, so these admit the size."""
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    packed = b"\x81\x00" * (side * side // 128)
    return _bomb(header + packed, RLELossless, side, is_admitted=True)


def _bomb(stream: bytes, syntax: str, side: int, is_admitted: bool) -> bytes:
    """An 8-bit gray capture around a code stream."""
    ds = gray_capture(np.ones((48, 48)))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    if is_admitted:
        ds.Rows = ds.Columns = side
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return _file(ds, syntax)


# --- valid DICOM that is no image -------------------------------------------------------------


def structured_report() -> bytes:
    """Basic Text SR that names a flow in words, as reports of a workstation do."""
    ds = _document(BasicTextSRStorage, "SR")
    del ds.BodyPartExamined
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.PerformedProcedureCodeSequence = []
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.ValueType = "CONTAINER"
    ds.ContinuityOfContent = "SEPARATE"
    ds.ConceptNameCodeSequence = [code_item(("18748-4", "LN", "Diagnostic imaging report"))]
    text = Dataset()
    text.RelationshipType = "CONTAINS"
    text.ValueType = "TEXT"
    text.ConceptNameCodeSequence = [code_item(("121071", "DCM", "Finding"))]
    text.TextValue = "Nobody Test: stress MBF 2.4 mL/min/g"
    ds.ContentSequence = [text]
    return _file(ds)


def encapsulated_pdf() -> bytes:
    ds = _document(EncapsulatedPDFStorage, "DOC")
    del ds.BodyPartExamined
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "YES"
    ds.DocumentTitle = "PET report"
    ds.ConceptNameCodeSequence = [code_item(("18748-4", "LN", "Diagnostic imaging report"))]
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.AcquisitionDateTime = None
    ds.EncapsulatedDocument = b"%PDF-1.4\n%%EOF\n" + b"\n"
    return _file(ds)


def presentation_state() -> bytes:
    """Grayscale presentation state of an image that is not in the folder."""
    ds = _document(GrayscaleSoftcopyPresentationStateStorage, "PR")
    ds.ContentLabel = "POLAR_MAP"
    ds.ContentDescription = None
    ds.ContentCreatorName = None
    ds.PresentationCreationDate, ds.PresentationCreationTime = ds.ContentDate, ds.ContentTime
    del ds.ContentDate, ds.ContentTime
    image = pet_image(np.ones((48, 48)))
    reference, series, area = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    series.SeriesInstanceUID = image.SeriesInstanceUID
    series.ReferencedImageSequence = [reference]
    ds.ReferencedSeriesSequence = [series]
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [48, 48]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelAspectRatio = [1, 1]
    ds.DisplayedAreaSelectionSequence = [area]
    ds.PresentationLUTShape = "IDENTITY"
    return _file(ds)


def separate_value_mapping() -> bytes:
    """Real World Value Mapping Storage: the unit of an image, kept in a file of its own."""
    ds = _document(RealWorldValueMappingStorage, "RWV")
    ds.ContentLabel = "POLAR_MAP"
    ds.ContentDescription = None
    ds.ContentCreatorName = None
    image = pet_image(np.ones((48, 48)))
    reference, item = Dataset(), Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    item.RealWorldValueMappingSequence = [real_world_mapping(1 / 65535)]
    item.ReferencedImageSequence = [reference]
    ds.ReferencedImageRealWorldValueMappingSequence = [item]
    series, instance = Dataset(), Dataset()
    instance.ReferencedSOPClassUID = image.SOPClassUID
    instance.ReferencedSOPInstanceUID = image.SOPInstanceUID
    series.SeriesInstanceUID = image.SeriesInstanceUID
    series.ReferencedInstanceSequence = [instance]
    ds.ReferencedSeriesSequence = [series]
    return _file(ds)


def dicomdir() -> bytes:
    """A directory file, which names the patient and holds no image."""
    first = "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity"
    last = "OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity"
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = "PATIENT"
    record.PatientName, record.PatientID = Header().patient_name, Header().patient_id
    ds = Dataset()
    ds.FileSetID = "POLAR"
    setattr(ds, first, 0)
    setattr(ds, last, 0)
    ds.FileSetConsistencyFlag = 0
    ds.DirectoryRecordSequence = [record]
    uid = generate_uid(entropy_srcs=["polarnet tests", "dicomdir"])
    data = _file(ds, ExplicitVRLittleEndian, MediaStorageDirectoryStorage, uid)
    only_record = struct.pack("<I", data.index(b"\xfe\xff\x00\xe0"))
    return with_value(with_value(data, first, only_record), last, only_record)


def _document(sop_class: str, modality: str) -> Dataset:
    """Patient, study, series and equipment of an invented file that has no pixels."""
    ds = gray_capture(np.ones((2, 2)), Header(private=None))
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["polarnet tests", sop_class])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["polarnet tests", sop_class, "series"])
    ds.Modality = modality
    for keyword in (
        "ImageType", "ConversionType", "PatientOrientation", "SamplesPerPixel", "AcquisitionNumber",
        "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
        "PixelRepresentation", "PixelData", "RescaleIntercept", "RescaleSlope", "RescaleType",
        "ImageComments", "BurnedInAnnotation", "AcquisitionDate", "AcquisitionTime",
    ):  # fmt: skip
        delattr(ds, keyword)
    return ds


def _extent(data: bytes, keyword: str) -> tuple[int, int, int]:
    """Start of an element, start of its value, and its end."""
    start = position(data, keyword)
    if data[start + 4 : start + 6] in LONG_FORMS:
        value_start = start + 12
        length = struct.unpack("<I", data[start + 8 : value_start])[0]
    else:
        value_start = start + 8
        length = struct.unpack("<H", data[start + 6 : value_start])[0]
    return start, value_start, value_start + length


def _file(
    ds: Dataset, syntax: str = ExplicitVRLittleEndian, sop_class: str = "", instance: str = ""
) -> bytes:
    """A file with a meta group around a dataset; a directory states its class only there."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class or ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = instance or ds.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    ds.file_meta = meta
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
