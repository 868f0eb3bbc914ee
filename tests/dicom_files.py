"""Polar maps as DICOM files, as a workstation or an archive may hand them over, good and spoilt.

`pet_image`, `nm_image`, `parametric_map`, `gray_capture` and `rgb_capture` return datasets;
`encode` and `write` turn them into files in one of `SYNTAXES`. `spoilt_files` gathers files that
are damaged, lying, hostile, or valid but no image. All identifiers are invented: they are planted
so that a test can look for them in outputs (`Header.identifiers`).
"""

import copy
import io
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import gdcm
import highdicom as hd
import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    RealWorldValueMappingStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian, "deflated": DeflatedExplicitVRLittleEndian,
    "RLE": RLELossless, "JPEG-LS": JPEGLSLossless, "JPEG 2000": JPEG2000Lossless,
    "JPEG lossless": JPEGLosslessSV1, "JPEG baseline": JPEGBaseline8Bit,
}  # fmt: skip
"""Transfer syntaxes that `encode` writes, by the name that tests call them."""

STATES = {"rest": codes.SCT.RestingState, "stress": codes.SCT.CardiacStressState}
ML_MIN_G, NO_UNIT = Code("ml/min/g", "UCUM", "ml/min/g"), Code("1", "UCUM", "no units")
BLOOD_FLOW = Code("126390", "DCM", "Absolute Regional Blood Flow")
MAPS = {
    "rest": ("MBF_REST", ML_MIN_G, BLOOD_FLOW),
    "stress": ("MBF_STRESS", ML_MIN_G, BLOOD_FLOW),
    "reserve": ("MFR", NO_UNIT, codes.DCM.CoronaryFlowReserve),
}
"""Label, unit and quantity of each map type."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of patient, examination and software. Nobody in it exists."""

    patient_id: str = "HOSP-0042"
    accession: str = "ACC-7-42"
    series_description: str = "MBF polar map"
    series_number: int = 7
    manufacturer: str = "ACME Flow"
    private: str | None = "PLANTED-PRIVATE"
    state: str | None = None
    agent: Code | None = None

    @property
    def study_uid(self) -> str:
        return uid("study", self.patient_id, self.accession)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Every string that must not be found in what polarnet writes."""
        return (self.patient_id, self.accession, self.study_uid, *PLANTED)


PLANTED = ("19310203", "SERIAL-9913", "St. Nowhere Hospital", "call Nobody on 555-0199", "555-0199",
           "PLANTED-PRIVATE", "Nobody", "Test", "Doctor", "Planted")  # fmt: skip


def item(**attributes):
    """A dataset of some attributes; sequences are lists."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value):
    """Item of a code sequence."""
    return item(CodeValue=value.value, CodingSchemeDesignator=value.scheme_designator,
                CodeMeaning=value.meaning)  # fmt: skip


def uid(*parts):
    """The same parts give the same UID, so that two files of one study agree."""
    return generate_uid(entropy_srcs=["polarnet tests", *map(str, parts)])


def mapping(slope=0.1, intercept=1.0, *, first=0, last=65535, unit=ML_MIN_G, **others):
    """Item of a Real World Value Mapping Sequence."""
    made = item(MeasurementUnitsCodeSequence=[code(unit)], RealWorldValueSlope=slope,
                RealWorldValueIntercept=intercept, **others)  # fmt: skip
    for end, value in (("First", first), ("Last", last)):
        made.add_new(f"RealWorldValue{end}ValueMapped", "US", value)
    return made


# === Good files ===


def write(dataset, path, syntax="explicit"):
    """Write a dataset as a file and return its path; `syntax` is a key of SYNTAXES."""
    path.write_bytes(encode(dataset, syntax))
    return path


def encode(dataset, syntax="explicit"):
    """The bytes of a DICOM file with preamble and meta group, compressed where `syntax` says so."""
    changed, transfer = copy.deepcopy(dataset), SYNTAXES[syntax]
    if syntax == "JPEG baseline":
        buffer = io.BytesIO()
        picture = np.frombuffer(changed.PixelData, np.uint8, changed.Rows * changed.Columns * 3)
        Image.fromarray(picture.reshape(changed.Rows, changed.Columns, 3)).save(
            buffer, "JPEG", quality=90, subsampling=1
        )
        changed.PhotometricInterpretation = "YBR_FULL_422"
        _set_frames(changed, buffer.getvalue())
    elif transfer.is_encapsulated:
        return _compressed(encode(dataset), transfer)
    elif syntax == "big endian":
        changed.PixelData = np.frombuffer(changed.PixelData, "<u2").astype(">u2").tobytes()
    return file_of(changed, transfer)


def file_of(dataset, syntax=ExplicitVRLittleEndian):
    """The bytes of a dataset with a meta group, its pixels as they are."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _compressed(data, transfer):
    """A file with its pixels compressed by GDCM."""
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = f"{folder}/plain", f"{folder}/packed"
        Path(plain).write_bytes(data)
        reader, change, writer = (
            gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        )  # fmt: skip
        reader.SetFileName(plain)
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(transfer)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(packed)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return Path(packed).read_bytes()


def _set_frames(dataset, frame):
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def _image(sop_class, modality, stored, header=None, **attributes):
    """An image of 16 bits with patient, study, series, equipment and planted identifiers."""
    header = header or Header()
    ds = item(
        SOPClassUID=sop_class, Modality=modality, SpecificCharacterSet="ISO_IR 192",
        SOPInstanceUID=uid("instance", sop_class, *vars(header).values()),
        StudyInstanceUID=header.study_uid,
        SeriesInstanceUID=uid("series", header.study_uid, sop_class, header.series_number),
        FrameOfReferenceUID=uid("frame of reference", header.study_uid),
        PatientName="Nobody^Test", PatientID=header.patient_id, PatientBirthDate="19310203",
        PatientSex="O", StudyID="1", AccessionNumber=header.accession,
        StudyDescription="Herz PET Nobody", ReferringPhysicianName="Doctor^Planted",
        StudyDate="20190405", StudyTime="101112", ContentDate="20190405", ContentTime="101112",
        SeriesNumber=header.series_number, SeriesDescription=header.series_description,
        InstanceNumber=1, Manufacturer=header.manufacturer, ManufacturerModelName="PolarStation",
        SoftwareVersions=["4.2.1"], DeviceSerialNumber="SERIAL-9913",
        InstitutionName="St. Nowhere Hospital", ImageComments="call Nobody on 555-0199",
        ImageType=["DERIVED", "PRIMARY"], ImagePositionPatient=[0, 0, 0], PixelSpacing=[1, 1],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0], SliceThickness=1, SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2", BitsAllocated=16, BitsStored=16, HighBit=15,
        PixelRepresentation=int(stored.dtype.kind == "i"),
        RadiopharmaceuticalInformationSequence=[item(
            Radiopharmaceutical="Rubidium chloride",
            RadiopharmaceuticalCodeSequence=[code(codes.SCT.RubidiumChlorideRb82)],
        )],
        PositionReferenceIndicator=None,
    )  # fmt: skip
    ds.Rows, ds.Columns = stored.shape[:2]
    ds.PixelData = stored.tobytes()
    if header.agent:
        agent = item(InterventionDrugCodeSequence=[code(header.agent)])
        ds.InterventionDrugInformationSequence = [agent]
    if header.state:
        ds.AcquisitionContextSequence = [item(ConceptCodeSequence=[code(STATES[header.state])])]
    if header.private:
        ds.private_block(0x0099, "POLARNET TEST", create=True).add_new(1, "LO", header.private)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def quantised(values, top=65535):
    """Stored 16-bit values and their slope, rounded to what a DS element (16 characters) holds."""
    slope = float(f"{np.max(values) / top:.8e}")
    stored = np.rint(np.asarray(values, float) / slope).clip(0, top)
    return stored.astype("<i2" if top == 32767 else "<u2"), slope


def pet_image(values, header=None, *, units="MLMING", is_signed=False):
    """PT image, 16 bits, whose Rescale Slope gives `values`; units "NONE" for reserve."""
    stored, slope = quantised(values, 32767 if is_signed else 65535)
    return _image(PositronEmissionTomographyImageStorage, "PT", stored, header, Units=units,
                  SeriesType=["STATIC", "IMAGE"], NumberOfSlices=1, RescaleIntercept=0,
                  RescaleSlope=slope)  # fmt: skip


def nm_image(values, header=None, *, is_referenced=False):
    """NM image with a real-world mapping; it has no Rescale Slope.

    `is_referenced` puts the mapping one level deeper, where older editions had it for NM.
    """
    stored, slope = quantised(values)
    how = {"RealWorldValueMappingSequence": [mapping(slope, 0.0, last=int(stored.max()))]}
    if is_referenced:
        how = {"ReferencedImageRealWorldValueMappingSequence": [item(**how)]}
    return _image(NuclearMedicineImageStorage, "NM", stored, header, NumberOfFrames=1, **how)


def gray_capture(values, header=None, **attributes):
    """Secondary Capture, gray, 16 bits, with a Rescale Slope and nothing that names a unit."""
    stored, slope = quantised(values)
    return _image(SecondaryCaptureImageStorage, "OT", stored, header, RescaleIntercept=0,
                  RescaleSlope=slope, **attributes)  # fmt: skip


def rgb_capture(rgb, header=None):
    """Secondary Capture of an RGB screen, uint8 (rows, columns, 3)."""
    return _image(SecondaryCaptureImageStorage, "OT", rgb, header, SamplesPerPixel=3,
                  PhotometricInterpretation="RGB", PlanarConfiguration=0, BitsAllocated=8,
                  BitsStored=8, HighBit=7)  # fmt: skip


def parametric_map(maps, header=None, *, dtype="uint16", has_table=False, says_map=True):
    """Parametric Map by highdicom, one frame per map type, each with its own real-world mapping.

    `dtype` is "uint16" or "float32" (then the stored values are the real ones). `has_table` maps by
    a look-up table that is not linear. Where it does not say the map, labels and codes are absent.
    A single map has its mapping in the shared functional groups, several in those of the frames.
    """
    header = header or Header()
    planes, mappings = [], []
    for name, values in maps.items():
        top = float(np.float32(np.max(values)))
        label, unit, quantity = MAPS[name]
        told = {"lut_label": label if says_map else "MAP", "lut_explanation": "map", "unit": unit,
                "quantity_definition": quantity}  # fmt: skip
        if dtype == "float32":
            planes.append(np.asarray(values, np.float32))
            told |= {"value_range": (0.0, top), "slope": 1.0, "intercept": 0.0}
        elif has_table:
            planes.append(np.rint(1023 * np.sqrt(values / top)).astype(np.uint16))
            told |= {"value_range": (0, 1023), "lut_data": top * (np.arange(1024) / 1023) ** 2}
        else:
            stored, slope = quantised(values)
            planes.append(stored)
            told |= {"value_range": (0, 65535), "slope": slope, "intercept": 0.0}
        mappings.append([hd.pm.RealWorldValueMapping(**told)])
    source = pet_image(next(iter(maps.values())), header)
    file_of(source)
    ds = hd.pm.ParametricMap(
        source_images=[source],
        pixel_array=np.stack(planes, axis=-1)[np.newaxis],
        series_instance_uid=uid("highdicom series", *maps),
        series_number=header.series_number,
        sop_instance_uid=uid("highdicom", *maps),
        instance_number=1,
        manufacturer=header.manufacturer,
        manufacturer_model_name="PolarStation",
        software_versions=["4.2.1"],
        device_serial_number="SERIAL-9913",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=mappings,
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=32768, window_width=65536)],
        content_label="POLAR_MAP",
    )
    ds.SeriesDescription = header.series_description
    if len(maps) > 1 and says_map:
        ds.AcquisitionContextSequence = [
            item(ConceptCodeSequence=[code(STATES[name])], ReferencedFrameNumber=number)
            for number, name in enumerate(maps, start=1)
            if name in STATES
        ]
    return ds


# === Spoilt files ===

PREAMBLE = 128
"""Bytes before the letters DICM."""

LONG_FORMS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT")
"""Value representations whose length takes four bytes after two that are reserved."""

SPOILT_ELEMENTS = {
    "RescaleSlope": ("abc", "4,5e-05", "nan", "inf", "1e400", "0", "-1", "", "1\\2", "4.5e-05 ml",
                     "1_0"),
    "RescaleIntercept": ("abc", "nan", "-0.5", "1e400"),
    "Units": ("BQML", "CNTS", "mlming", "ML/MIN/G", ""),
    "BitsAllocated": (b"\x0c\0",),
    "BitsStored": (b"\x14\0",),
    "SamplesPerPixel": (b"\2\0",),
    "PhotometricInterpretation": ("PALETTE COLOR",),
    "SeriesDescription": (b"Herzma\xdfe m\xfc",),
    "SpecificCharacterSet": ("ISO_IR 999",),
    "TransferSyntaxUID": tuple(
        f"1.2.840.{end}\0" for end in ("113619.5.2", "10008.1.2.4.100", "10008.1.2.2", "10008.1.2",
                                       "10008.1.2.1.99", "10008.1.2.4.90")
    ),
}  # fmt: skip
"""Element of a PT image -> values that it cannot or need not have; syntaxes are private, MPEG 2,
big endian, implicit, deflated and JPEG 2000."""


def spoilt_files(values):
    """Spoilt and hostile files, most made of a good PT image of `values`, by their fault."""
    good = encode(pet_image(values))
    rows = b"\x28\0\x10\0US"
    files = {
        "empty": b"",
        "text": b"rest,stress\n1.0,2.5\n",
        "png": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "preamble only": bytes(PREAMBLE) + b"DICM",
        "mz preamble": b"MZ" + good[2:],
        "no preamble": good[PREAMBLE + 4 :],
        "no meta": _without_meta(pet_image(values)),
        "header cut": good[: _extent(good, "Rows")[0] - 40],
        "meta cut": good[: PREAMBLE + 60],
        "pixels cut": good[:-1000],
        "one byte of pixels missing": good[:-1],
        "padding behind pixels": _with_value(good, "PixelData", _pixels(good) + bytes(4608)),
        "pixel length 0xFFFFFFF0": _with_length(good, "PixelData", 0xFFFFFFF0),
        "pixel length undefined": _with_length(good, "PixelData", 0xFFFFFFFF),
        "no pixels": good[: _extent(good, "PixelData")[0]],
        "no rows": _without(good, "Rows"),
        "rows and columns 65535": _with_value(
            _with_value(good, "Rows", b"\xff\xff"), "Columns", b"\xff\xff"
        ),
        "rows 0": _with_value(good, "Rows", b"\0\0"),
        "rows as SS": good.replace(rows, rows[:4] + b"SS"),
        "rows as UN": _with_value(good, "Rows", struct.pack("<H", 48), vr=b"UN"),
        "vr XX": good.replace(rows, rows[:4] + b"XX"),
        "rgb without planar configuration": _without(
            encode(rgb_capture(np.zeros((48, 48, 3), np.uint8))), "PlanarConfiguration"
        ),
        "unknown sop class": good.replace(b"5.1.4.1.1.128\0", b"5.1.4.1.1.999\0"),
        "nested 3000 deep": _nested(good, 3000),
        "deflate bomb": _deflate_bomb(),
        "deflated, cut": encode(pet_image(values), "deflated")[:-300],
        "RLE bomb": _rle_bomb(),
    }
    for count in ("100000", "0 ", "-1", "2 "):
        files[f"{count.strip()} frames"] = _with_frames(good, count.encode())
    for keyword, texts in SPOILT_ELEMENTS.items():
        for text in texts:
            value = text.encode() if isinstance(text, str) else text
            files[f"{keyword} {text!r}"] = _with_value(good, keyword, value)
    for name, bomb in (("JPEG 2000", _jpeg2000_bomb), ("JPEG-LS", _jpeg_ls_bomb)):
        files[f"{name} bomb"] = bomb(is_admitted=False)
        files[f"{name} bomb, size admitted"] = bomb(is_admitted=True)
    for syntax in ("RLE", "JPEG 2000", "JPEG lossless"):
        files[f"corrupt {syntax}"] = _corrupt(encode(pet_image(values), syntax))
    for kind in (BasicTextSRStorage, EncapsulatedPDFStorage, RealWorldValueMappingStorage,
                 GrayscaleSoftcopyPresentationStateStorage):  # fmt: skip
        document = gray_capture(values, SOPClassUID=kind)
        del document.PixelData, document.Rows, document.Columns
        files[kind.name] = file_of(document)
    return files


def _extent(data, keyword):
    """Start of a top-level element of an explicit little endian file, of its value, and its end."""
    tag = tag_for_keyword(keyword)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    start = max(data.rfind(head + vr.encode()) for vr in dictionary_VR(tag).split(" or "))
    if data[start + 4 : start + 6] in LONG_FORMS:
        return start, start + 12, start + 12 + struct.unpack_from("<I", data, start + 8)[0]
    return start, start + 8, start + 8 + struct.unpack_from("<H", data, start + 6)[0]


def _pixels(data):
    return data[_extent(data, "PixelData")[1] :]


def _with_value(data, keyword, value, vr=b""):
    """The file with another raw value in an element that has one."""
    start, _, end = _extent(data, keyword)
    value += (b"\0" if vr or keyword in ("PixelData", "TransferSyntaxUID") else b" ") * (
        len(value) % 2
    )
    vr = vr or data[start + 4 : start + 6]
    length = (
        struct.pack("<HI", 0, len(value)) if vr in LONG_FORMS else struct.pack("<H", len(value))
    )
    changed = data[: start + 4] + vr + length + value + data[end:]
    if keyword == "TransferSyntaxUID":  # the length of its group
        n = struct.unpack_from("<I", data, PREAMBLE + 12)[0] + len(changed) - len(data)
        changed = changed[: PREAMBLE + 12] + struct.pack("<I", n) + changed[PREAMBLE + 16 :]
    return changed


def _with_length(data, keyword, length):
    """The file with another stated length of an element, its value as it was."""
    value_start = _extent(data, keyword)[1]
    return data[: value_start - 4] + struct.pack("<I", length) + data[value_start:]


def _without(data, keyword):
    start, _, end = _extent(data, keyword)
    return data[:start] + data[end:]


def _with_frames(data, count):
    """The file with a Number of Frames, which belongs before Rows."""
    start = _extent(data, "Rows")[0]
    element = struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", len(count)) + count
    return data[:start] + element + data[start:]


def _without_meta(dataset):
    """Implicit little endian from the first byte on, as old exports are."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def _corrupt(data):
    """A compressed image with noise in the middle of its code stream."""
    start = _extent(data, "PixelData")[1]
    middle = start + (len(data) - start) // 2
    noise = np.random.default_rng(0).integers(0, 256, 200, np.uint8).tobytes()
    return data[:middle] + noise + data[middle + 200 :]


def _nested(data, depth):
    """An image with sequences one inside the other; printing it ends the interpreter."""
    levels = []
    for left in range(depth, 0, -1):
        inner = 20 * left - 12  # a sequence header of 12 bytes, an item header of 8
        levels.append(struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, inner))
        levels.append(struct.pack("<HHI", 0xFFFE, 0xE000, inner - 8))
    start = _extent(data, "PatientName")[0]  # group 8 ends here
    return data[:start] + b"".join(levels) + data[start:]


# === Bombs: small until decoded ===


def _deflate_bomb(inflated_mb=64):
    """Deflated file whose header alone inflates to many megabytes of zeros (1000 to 1)."""
    data = encode(gray_capture(np.ones((8, 8))), "deflated")
    meta_end = PREAMBLE + 16 + struct.unpack_from("<I", data, PREAMBLE + 12)[0]
    plain = zlib.decompress(data[meta_end:], -zlib.MAX_WBITS)
    element = struct.pack("<HH2sHI", 0x0099, 0x1010, b"OB", 0, inflated_mb << 20)
    start = _extent(plain, "PixelData")[0]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [plain[:start] + element, *[bytes(1 << 20)] * inflated_mb, plain[start:]]
    return data[:meta_end] + b"".join(map(deflater.compress, parts)) + deflater.flush()


def _jpeg2000_bomb(side=12000, is_admitted=False):
    """About 2 kB that decode to side x side pixels; Rows and Columns say 48 unless admitted.

    A flat mid-gray image has only empty packets, as many as it has resolutions, whatever its size:
    so the size in its header can be raised and the code stream stays valid.
    """
    buffer = io.BytesIO()
    small = Image.fromarray(np.full((64, 64), 128, np.uint8))
    small.save(buffer, "JPEG2000", irreversible=False, no_jp2=True)
    stream = bytearray(buffer.getvalue())
    size_at = stream.index(b"\xff\x51") + 6  # SIZ: after marker, length and capabilities
    for offset in (0, 4, 16, 20):  # the image's and the tile's width and height
        struct.pack_into(">I", stream, size_at + offset, side)
    return _bomb(bytes(stream), JPEG2000Lossless, side, is_admitted)


def _jpeg_ls_bomb(side=12000, is_admitted=False):
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


def _rle_bomb(side=6016):
    """Runs of 128 zeros, 64 to 1; the decoder goes by Rows and Columns, so these admit the size."""
    head = struct.pack("<16I", 1, 64, *[0] * 14)
    return _bomb(head + b"\x81\x00" * (side * side // 128), RLELossless, side, is_admitted=True)


def _bomb(stream, syntax, side, is_admitted):
    """An 8-bit gray capture around a code stream."""
    ds = gray_capture(np.ones((48, 48)), BitsAllocated=8, BitsStored=8, HighBit=7)
    if is_admitted:
        ds.Rows = ds.Columns = side
    _set_frames(ds, stream)
    return file_of(ds, syntax)
