"""Polar maps as DICOM files, as a workstation or an archive may hand them over, good and spoilt.

`encode` and `write` turn datasets into files in one of `SYNTAXES`. All identifiers are invented:
they are planted so that a test can look for them in outputs (`Header.identifiers`).
"""

import copy
import io
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import gdcm
import highdicom as hd
import numpy as np
import pydicom
from PIL import Image
from pydicom import Dataset
from pydicom import uid as uids
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

SYNTAXES = {
    "explicit": uids.ExplicitVRLittleEndian, "implicit": uids.ImplicitVRLittleEndian,
    "big endian": uids.ExplicitVRBigEndian, "deflated": uids.DeflatedExplicitVRLittleEndian,
    "RLE": uids.RLELossless, "JPEG-LS": uids.JPEGLSLossless, "JPEG 2000": uids.JPEG2000Lossless,
    "JPEG lossless": uids.JPEGLosslessSV1, "JPEG baseline": uids.JPEGBaseline8Bit,
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
    return uids.generate_uid(entropy_srcs=["polarnet tests", *map(str, parts)])


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


def file_of(dataset, syntax=uids.ExplicitVRLittleEndian):
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
    return _image(uids.PositronEmissionTomographyImageStorage, "PT", stored, header, Units=units,
                  SeriesType=["STATIC", "IMAGE"], NumberOfSlices=1, RescaleIntercept=0,
                  RescaleSlope=slope)  # fmt: skip


def nm_image(values, header=None):
    """NM image with a real-world mapping; it has no Rescale Slope."""
    stored, slope = quantised(values)
    mappings = [mapping(slope, 0.0, last=int(stored.max()))]
    return _image(uids.NuclearMedicineImageStorage, "NM", stored, header, NumberOfFrames=1,
                  RealWorldValueMappingSequence=mappings)  # fmt: skip


def gray_capture(values, header=None, **attributes):
    """Secondary Capture, gray, 16 bits, with a Rescale Slope and nothing that names a unit."""
    stored, slope = quantised(values)
    return _image(uids.SecondaryCaptureImageStorage, "OT", stored, header, RescaleIntercept=0,
                  RescaleSlope=slope, **attributes)  # fmt: skip


def rgb_capture(rgb, header=None):
    """Secondary Capture of an RGB screen, uint8 (rows, columns, 3)."""
    return _image(uids.SecondaryCaptureImageStorage, "OT", rgb, header, SamplesPerPixel=3,
                  PhotometricInterpretation="RGB", PlanarConfiguration=0, BitsAllocated=8,
                  BitsStored=8, HighBit=7)  # fmt: skip


def parametric_map(maps, header=None, *, dtype="uint16", says_map=True):
    """Parametric Map by highdicom, one frame per map type, each with its own real-world mapping.

    `dtype` is "uint16" or "float32" (then the stored values are the real ones). Where it does not
    say the map, labels and codes are absent. A single map has its mapping in the shared functional
    groups, several in those of the frames.
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

SPOILT_ELEMENTS = {
    "RescaleSlope": ("abc", "4,5e-05", "nan", "1e400", "-1", "", "1\\2", "4.5e-05 ml", "1_0"),
    "RescaleIntercept": ("abc", "-0.5", "1e400"),
    "Units": ("CNTS", "mlming", "ML/MIN/G", ""),
    "NumberOfFrames": ("100000", "0", "-1", "2"),
    "BitsAllocated": (12,),
    "BitsStored": (20,),
    "SamplesPerPixel": (2,),
    "PhotometricInterpretation": ("PALETTE COLOR",),
    "Rows": (None, 0, 65535),
    "PixelData": (None, b"", bytes(9216)),
}
"""Element of a PT image -> values that it cannot or need not have; None for none at all."""


def spoilt_files(values):
    """Files by their fault: damaged, lying, hostile, or valid but no image."""
    good = encode(pet_image(values))
    length = b"\xe0\x7f\x10\x00OW\0\0"  # of the pixels stands behind this
    before = good.index(length) + len(length)
    syntax = b"1.2.840.10008.1.2.1\0"
    of_more_rows = pydicom.dcmread(io.BytesIO(encode(pet_image(values), "JPEG-LS")))
    of_more_rows.Rows = 24
    report = gray_capture(values, SOPClassUID=uids.BasicTextSRStorage)
    files = {
        "empty": b"",
        "preamble only": good[:132],
        "mz preamble": b"MZ" + good[2:],
        "header cut": good[:600],
        "meta cut": good[:188],
        "pixels cut": good[:-1000],
        "one byte of pixels missing": good[:-1],
        "pixel length 0xFFFFFFF0": good[:before] + b"\xf0\xff\xff\xff" + good[before + 4 :],
        "pixel length undefined": good[:before] + b"\xff\xff\xff\xff" + good[before + 4 :],
        "vr XX": good.replace(b"\x28\0\x10\0US", b"\x28\0\x10\0XX"),
        "big endian, it says": good.replace(syntax, b"1.2.840.10008.1.2.2\0"),
        "a private syntax": good.replace(syntax, b"1.2.840.99999.1.2.1\0"),
        "unknown sop class": good.replace(b"5.1.4.1.1.128\0", b"5.1.4.1.1.999\0"),
        "text": item_file(report, PixelData=None),
        "deflated": encode(pet_image(values), "deflated"),
        "JPEG-LS of more rows": file_of(of_more_rows, uids.JPEGLSLossless),
        "RLE bomb": _rle_bomb(),
        "JPEG 2000 bomb": _jpeg2000_bomb(),
    }
    for keyword, spoilt in SPOILT_ELEMENTS.items():
        for value in spoilt:
            told = len(value) if isinstance(value, bytes) else value
            files[f"{keyword} {told!r}"] = item_file(pet_image(values), **{keyword: value})
    for syntax in ("RLE", "JPEG 2000", "JPEG lossless"):
        data = encode(pet_image(values), syntax)
        noise = np.random.default_rng(0).integers(0, 256, 200, np.uint8).tobytes()
        files[f"corrupt {syntax}"] = data[:-1000] + noise + data[-800:]
    return files


def item_file(dataset, **attributes):
    """The bytes of a dataset with other attributes, of a wrong type too; None for none at all."""
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            vr = "IS" if keyword == "NumberOfFrames" else "LO"
            vr = vr if isinstance(value, str) else dataset[keyword].VR
            dataset[keyword] = pydicom.DataElement(keyword, vr, value, validation_mode=0)
    return file_of(dataset)


def _jpeg2000_bomb(side=12000):
    """About 2 kB that decode to side x side pixels; Rows and Columns say 48.

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
    return _bomb(bytes(stream), uids.JPEG2000Lossless)


def _rle_bomb(side=6016):
    """Runs of 128 zeros, 64 to 1; the decoder goes by Rows and Columns, so these admit the size."""
    head = struct.pack("<16I", 1, 64, *[0] * 14)
    return _bomb(
        head + b"\x81\x00" * (side * side // 128), uids.RLELossless, Rows=side, Columns=side
    )


def _bomb(stream, syntax, **size):
    """An 8-bit gray capture around a code stream."""
    ds = gray_capture(np.ones((48, 48)), BitsAllocated=8, BitsStored=8, HighBit=7, **size)
    _set_frames(ds, stream)
    return file_of(ds, syntax)
