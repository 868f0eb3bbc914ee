"""Polar maps as DICOM files, as a workstation or an archive may hand them over (tests only).

Every function that ends in `_image`, `_map` or `_capture` returns a pydicom Dataset; `encode` turns
it into the bytes of a file in one of `SYNTAXES`. `hostile_dicom.py` beside this file spoils them.
All identifiers are invented: they are planted so that a test can look for them in outputs
(`Header.identifiers`).
"""

import copy
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    NuclearMedicineImageStorage,
    ParametricMapStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG-LS": JPEGLSLossless,  # needs pyjpegls
    "JPEG 2000": JPEG2000Lossless,  # Pillow
    "JPEG lossless": JPEGLosslessSV1,  # written here, one channel
    "JPEG baseline": JPEGBaseline8Bit,  # Pillow, 8 bits, lossy
}
"""Transfer syntaxes that `encode` writes, by the name that tests call them."""

Code = tuple[str, str, str]
"""Code value, coding scheme and meaning."""

ML_MIN_G: Code = ("ml/min/g", "UCUM", "Milliliter/minute/gram")
NO_UNIT: Code = ("1", "UCUM", "no units")
BLOOD_FLOW: Code = ("126390", "DCM", "Absolute Regional Blood Flow")
FLOW_RESERVE: Code = ("122217", "DCM", "Coronary Flow reserve")

TRACERS: dict[str, tuple[Code, Code]] = {
    "82Rb": (
        ("129503007", "SCT", "Rubidium chloride Rb^82^"),
        ("79197006", "SCT", "^82^Rubidium"),
    ),
    "13N-ammonia": (("129508003", "SCT", "Ammonia N^13^"), ("21576001", "SCT", "^13^Nitrogen")),
    "15O-water": (("129505000", "SCT", "Oxygen-water O^15^"), ("129504001", "SCT", "^15^Oxygen")),
    "18F-flurpiridaz": (
        ("126718", "DCM", "Flurpiridaz F^18^"),
        ("77004003", "SCT", "^18^Fluorine"),
    ),
}
"""Radiopharmaceutical (CID 4021) and radionuclide (CID 4020), out of pydicom's concept tables."""

AGENTS: dict[str, Code] = {
    "adenosine": ("108502004", "SCT", "Adenosine"),
    "dipyridamole": ("66859009", "SCT", "Dipyridamole"),
    "dobutamine": ("26523005", "SCT", "Dobutamine"),
    "regadenoson": ("432062000", "SCT", "Adenosine A2 receptor agonist"),
}
"""Stress agents of CID 3204; regadenoson has no code of its own there, only its class."""

STATES: dict[str, dict[str, Code]] = {
    "SCT": {
        "rest": ("128975004", "SCT", "Resting State"),
        "stress": ("432655005", "SCT", "Cardiac Stress State"),
    },
    "DCM": {
        "rest": ("128975004", "SCT", "Resting State"),
        "stress": ("109091", "DCM", "Cardiac Stress State"),
    },
    "SRT": {
        "rest": ("F-01604", "SRT", "Resting State"),
        "stress": ("F-05019", "SRT", "Cardiac Stress State"),
    },
}
"""Rest and stress as in CID 3101 (SCT), CID 3102 (DCM), and in the retired SNOMED-RT codes."""

UNITS = {"rest": ML_MIN_G, "stress": ML_MIN_G, "reserve": NO_UNIT}
LABELS = {"rest": "MBF_REST", "stress": "MBF_STRESS", "reserve": "MFR"}
QUANTITIES = {"rest": BLOOD_FLOW, "stress": BLOOD_FLOW, "reserve": FLOW_RESERVE}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of patient, examination and software. Nobody in it exists."""

    patient_id: str = "HOSP-0042"
    patient_name: str = "Nobody^Test"
    birth_date: str = "19310203"
    accession: str = "ACC-7-42"
    study_uid: str = ""  # made of patient and accession unless given
    study_date: str = "20190405"
    study_time: str = "101112"
    study_description: str = "Herz PET Nobody"
    series_description: str = "MBF polar map"
    series_number: int = 7
    acquisition_number: int = 1
    instance_number: int = 1
    manufacturer: str = "ACME Flow"
    model: str = "PolarStation"
    software: tuple[str, ...] = ("4.2.1",)
    device_serial: str = "SERIAL-9913"
    institution: str = "St. Nowhere Hospital"
    physician: str = "Doctor^Planted"
    comments: str = "call Nobody on 555-0199"
    private: str | None = "PLANTED-PRIVATE"  # value of a private element
    tracer: str | None = "82Rb"  # a key of TRACERS
    state: str | None = None  # "rest", "stress"
    agent: str | None = None  # a key of AGENTS
    state_coding: str = "SCT"  # a key of STATES
    is_coded: bool = True  # False: tracer and agent as free text only, no coded state

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Every string that must not be found in what polarnet writes."""
        named = (self.patient_id, self.birth_date, self.accession, self.study_uid_used)
        texts = (self.device_serial, self.institution, self.comments, "555-0199", "PLANTED-PRIVATE")
        return (*named, *texts, *self.patient_name.split("^"), *self.physician.split("^"))

    @property
    def study_uid_used(self) -> str:
        return self.study_uid or _uid("study", self.patient_id, self.accession)


def write(dataset: Dataset, path: Path, syntax: str = "explicit") -> Path:
    """Write a dataset as a file and return its path; `syntax` is a key of SYNTAXES."""
    path.write_bytes(encode(dataset, syntax))
    return path


def encode(dataset: Dataset, syntax: str = "explicit") -> bytes:
    """The bytes of a DICOM file with preamble and meta group, compressed where `syntax` says so."""
    uid = SYNTAXES[syntax]
    if uid.is_encapsulated:
        dataset = _compress(dataset, syntax)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = uid
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.1"
    changed = copy.deepcopy(dataset)
    changed.file_meta = meta
    if syntax == "big endian":
        changed.PixelData = np.frombuffer(changed.PixelData, "<u2").astype(">u2").tobytes()
    buffer = io.BytesIO()
    changed.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


# --- the objects ----------------------------------------------------------------------------


def pet_image(
    values: np.ndarray,
    header: Header | None = None,
    *,
    units: str = "MLMING",
    is_signed: bool = False,
) -> Dataset:
    """PT image, 16 bits, whose Rescale Slope gives `values`; units "NONE" for reserve."""
    header = header or Header()
    ds = _start(PositronEmissionTomographyImageStorage, "PT", header)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.Units = units
    ds.CountsSource = "EMISSION"
    ds.SeriesType = ["STATIC", "IMAGE"]
    ds.NumberOfSlices = 1
    ds.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN"]
    ds.DecayCorrection = "START"
    ds.CollimatorType = "NONE"
    ds.FrameReferenceTime = 0
    ds.ActualFrameDuration = 360000
    ds.DecayFactor = 1
    ds.DoseCalibrationFactor = 1
    ds.ImageIndex = 1
    ds.PatientOrientationCodeSequence = []
    ds.PatientGantryRelationshipCodeSequence = []
    _add_isotope(ds, header)
    _add_agent(ds, header)
    _add_state(ds, header)
    _add_plane(ds, header)
    stored, slope = quantise(values, top=32767 if is_signed else 65535)
    _add_pixels(ds, stored, is_signed=is_signed)
    ds.RescaleIntercept = 0
    ds.RescaleSlope = slope
    return ds


def parametric_map(
    maps: Mapping[str, np.ndarray],
    header: Header | None = None,
    *,
    dtype: str = "uint16",
    mapping_in: str = "frames",
    has_table: bool = False,
    has_labels: bool = True,
) -> Dataset:
    """Parametric Map, one frame per map type, each with its own real-world mapping and label.

    `dtype` is "uint16" or "float32" (then the stored values are the real ones). `mapping_in`
    "shared" puts one mapping for all frames in the shared functional groups, else it is "frames".
    `has_table` maps by a look-up table that is not linear. Without labels only the quantity and the
    order tell the frames apart. Tracer and agent are no part of this object in the standard.
    """
    header = header or Header()
    ds = _start(ParametricMapStorage, "PT", header)
    ds.ImageType = ["DERIVED", "PRIMARY", "PERFUSION", "NONE"]
    ds.ContentLabel = "POLAR_MAP"
    ds.ContentDescription = header.series_description
    ds.ContentCreatorName = None
    ds.ContentQualification = "RESEARCH"
    ds.RecognizableVisualFeatures = "NO"
    ds.LossyImageCompression = "00"
    ds.PresentationLUTShape = "IDENTITY"
    if header.tracer:
        _add_isotope(ds, header)
    _add_agent(ds, header)
    planes, mappings = _planes_and_mappings(maps, dtype, mapping_in, has_table, has_labels)
    _add_pixels(ds, np.stack(planes))
    ds.NumberOfFrames = len(maps)
    _add_state(ds, header)
    if len(maps) > 1 and header.is_coded:
        states = STATES[header.state_coding]
        numbered = [(k, states[name]) for k, name in enumerate(maps, start=1) if name in states]
        ds.AcquisitionContextSequence = [_state_item(state, frame=k) for k, state in numbered]
    elif "AcquisitionContextSequence" not in ds:
        ds.AcquisitionContextSequence = []
    _add_functional_groups(ds, maps, mappings, mapping_in, has_labels)
    return ds


def highdicom_parametric_map(
    maps: Mapping[str, np.ndarray], header: Header | None = None, *, dtype: str = "uint16"
) -> Dataset:
    """The same by highdicom, a writer that is not ours; needs that package."""
    import highdicom as hd
    from pydicom.sr.coding import Code as SRCode

    header = header or Header()
    source = pet_image(next(iter(maps.values())), header)
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    planes, _ = _planes_and_mappings(maps, dtype, "frames", False, True)
    mappings = []
    for name, plane in zip(maps, planes, strict=True):
        top = float(np.float32(np.max(maps[name])))
        is_float = dtype == "float32"
        unit, quantity = UNITS[name], QUANTITIES[name]
        mappings.append(
            [
                hd.pm.RealWorldValueMapping(
                    lut_label=LABELS[name],
                    lut_explanation=f"{name} map",
                    unit=SRCode(*unit),
                    value_range=(0.0, top) if is_float else (0, int(plane.max())),
                    slope=1.0 if is_float else quantise(maps[name])[1],
                    intercept=0.0,
                    quantity_definition=SRCode(*quantity),
                )
            ]
        )
    ds = hd.pm.ParametricMap(
        source_images=[source],
        pixel_array=np.stack(planes, axis=-1)[np.newaxis],
        series_instance_uid=_uid("highdicom series", *maps),
        series_number=header.series_number,
        sop_instance_uid=_uid("highdicom", *maps),
        instance_number=header.instance_number,
        manufacturer=header.manufacturer,
        manufacturer_model_name=header.model,
        software_versions=list(header.software),
        device_serial_number=header.device_serial,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=mappings,
        voi_lut_transformations=[
            hd.VOILUTTransformation(window_center=32768.0, window_width=65536.0)
        ],
        content_label="POLAR_MAP",
    )
    ds.BodyPartExamined = "HEART"
    ds.SeriesDescription = header.series_description
    return ds


def nm_image(
    values: np.ndarray,
    header: Header | None = None,
    *,
    unit: Code = ML_MIN_G,
    is_referenced: bool = False,
) -> Dataset:
    """NM image with a real-world mapping; it has no Rescale Slope.

    `is_referenced` puts the mapping one level deeper, in the Referenced Image Real World Value
    Mapping Sequence (0040,9094), where older editions of the standard had it for NM.
    """
    header = header or Header()
    ds = _start(NuclearMedicineImageStorage, "NM", header)
    ds.ImageType = ["DERIVED", "PRIMARY", "STATIC", "EMISSION"]
    stored, slope = quantise(values)
    _add_pixels(ds, stored[np.newaxis])
    ds.NumberOfFrames = 1
    ds.FrameIncrementPointer = [0x00540010, 0x00540020]
    ds.EnergyWindowVector = [1]
    ds.DetectorVector = [1]
    ds.NumberOfEnergyWindows = 1
    ds.NumberOfDetectors = 1
    ds.CountsAccumulated = None
    ds.ActualFrameDuration = 360000
    ds.PixelSpacing = [1, 1]
    ds.PatientOrientationCodeSequence = []
    ds.PatientGantryRelationshipCodeSequence = []
    ds.EnergyWindowInformationSequence = []
    detector = Dataset()
    detector.CollimatorType = "PARA"
    detector.ImagePositionPatient = [0, 0, 0]
    detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.DetectorInformationSequence = [detector]
    _add_isotope(ds, header)
    _add_agent(ds, header)
    _add_state(ds, header)
    mapping = real_world_mapping(slope, unit=unit, last=int(stored.max()))
    if is_referenced:
        outer = Dataset()
        outer.RealWorldValueMappingSequence = [mapping]
        ds.ReferencedImageRealWorldValueMappingSequence = [outer]
    else:
        ds.RealWorldValueMappingSequence = [mapping]
    return ds


def gray_capture(values: np.ndarray, header: Header | None = None) -> Dataset:
    """Secondary Capture, gray, 16 bits, with a Rescale Slope and nothing that names a unit."""
    ds = _start(SecondaryCaptureImageStorage, "OT", header or Header())
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.ConversionType = "WSD"
    ds.PatientOrientation = None
    stored, slope = quantise(values)
    _add_pixels(ds, stored)
    ds.RescaleIntercept = 0
    ds.RescaleSlope = slope
    ds.RescaleType = "US"
    return ds


def rgb_capture(
    rgb: np.ndarray, header: Header | None = None, *, burned_in: str | None = "YES"
) -> Dataset:
    """Secondary Capture of an RGB screen, uint8 (rows, columns, 3); `burned_in` may be None."""
    ds = _start(SecondaryCaptureImageStorage, "OT", header or Header())
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.ConversionType = "WSD"
    ds.PatientOrientation = None
    ds.SamplesPerPixel = 3
    ds.PhotometricInterpretation = "RGB"
    ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = rgb.shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    pixels = np.ascontiguousarray(rgb, np.uint8).tobytes()
    ds.PixelData = pixels + b"\0" * (len(pixels) % 2)
    del ds.BurnedInAnnotation
    if burned_in:
        ds.BurnedInAnnotation = burned_in
    return ds


# --- pieces that tests may want to put elsewhere --------------------------------------------


def quantise(values: np.ndarray, top: int = 65535) -> tuple[np.ndarray, float]:
    """Stored 16-bit values and their slope, rounded to what a DS element (16 characters) holds."""
    slope = float(f"{np.max(values) / top:.8e}")
    stored = np.rint(np.asarray(values, float) / slope).clip(0, top)
    return stored.astype(np.int16 if top == 32767 else np.uint16), slope


def real_world_mapping(
    slope: float | None,
    intercept: float = 0.0,
    *,
    first: float = 0,
    last: float = 65535,
    unit: Code = ML_MIN_G,
    label: str = "MBF",
    quantity: Code | None = BLOOD_FLOW,
    table: np.ndarray | None = None,
    is_float: bool = False,
) -> Dataset:
    """Item of a Real World Value Mapping Sequence: linear, or by `table` (then slope is None).

    `is_float` states the range in the double float elements, as float pixels need.
    """
    item = Dataset()
    item.LUTExplanation = f"{label} map"
    item.LUTLabel = label
    item.MeasurementUnitsCodeSequence = [code_item(unit)]
    if is_float:
        item.DoubleFloatRealWorldValueFirstValueMapped = float(first)
        item.DoubleFloatRealWorldValueLastValueMapped = float(last)
    else:  # US or SS: the pixels of this file are unsigned unless a range below 0 is stated
        vr = "SS" if first < 0 else "US"
        item.add_new("RealWorldValueFirstValueMapped", vr, int(first))
        item.add_new("RealWorldValueLastValueMapped", vr, int(last))
    if table is not None:
        item.RealWorldValueLUTData = [float(value) for value in table]
    else:
        item.RealWorldValueSlope = slope
        item.RealWorldValueIntercept = intercept
    if quantity:
        named = Dataset()
        named.ValueType = "CODE"
        named.ConceptNameCodeSequence = [code_item(("246205007", "SCT", "Quantity"))]
        named.ConceptCodeSequence = [code_item(quantity)]
        item.QuantityDefinitionSequence = [named]
    return item


def code_item(code: Code) -> Dataset:
    """Item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def jpeg_lossless(pixels: np.ndarray) -> bytes:
    """JPEG process 14, selection value 1, of 16-bit pixels (rows, columns).

    Every category of difference gets a 5-bit code, which is legal, simple and small enough.
    """
    rows, columns = pixels.shape
    wide = pixels.astype(np.int64)
    predicted = np.empty_like(wide)
    predicted[:, 1:] = wide[:, :-1]  # from the left,
    predicted[1:, 0] = wide[:-1, 0]  # in the first column from above,
    predicted[0, 0] = 1 << 15  # and the first one from the middle of the range
    difference = (wide - predicted + 32767) % 65536 - 32767  # -32767 to 32768
    bits = []
    for value in difference.ravel().tolist():
        category = abs(value).bit_length()
        bits.append(f"{category:05b}")
        if 0 < category < 16:
            bits.append(f"{value if value > 0 else value + (1 << category) - 1:0{category}b}")
    coded = "".join(bits)
    coded += "1" * (-len(coded) % 8)
    scan = int(coded, 2).to_bytes(len(coded) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = b"\xff\xc3\x00\x0b\x10" + rows.to_bytes(2, "big") + columns.to_bytes(2, "big")
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])
    parts = [b"\xff\xd8", frame, b"\x01\x01\x11\x00"]
    parts += [b"\xff\xc4", (len(table) + 2).to_bytes(2, "big"), table]
    parts += [b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00", scan, b"\xff\xd9"]
    return b"".join(parts)


# --- how the objects are put together -------------------------------------------------------


def _start(sop_class: str, modality: str, header: Header) -> Dataset:
    """Patient, study, series, equipment and the planted identifiers."""
    ds = Dataset()
    ds.SOPClassUID = sop_class
    series = (header.study_uid_used, sop_class, str(header.series_number))
    ds.SeriesInstanceUID = _uid("series", *series)
    instance = (str(header.acquisition_number), str(header.instance_number), str(header.state))
    ds.SOPInstanceUID = _uid("instance", *series, *instance, header.series_description)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = header.patient_name
    ds.PatientID = header.patient_id
    ds.PatientBirthDate = header.birth_date
    ds.PatientSex = "O"
    ds.StudyInstanceUID = header.study_uid_used
    ds.StudyID = "1"
    ds.AccessionNumber = header.accession
    ds.StudyDescription = header.study_description
    ds.ReferringPhysicianName = header.physician
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = header.study_date
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = header.study_time
    ds.Modality = modality
    ds.SeriesNumber = header.series_number
    ds.SeriesDescription = header.series_description
    ds.BodyPartExamined = "HEART"
    ds.AcquisitionNumber = header.acquisition_number
    ds.InstanceNumber = header.instance_number
    ds.Manufacturer = header.manufacturer
    ds.ManufacturerModelName = header.model
    ds.SoftwareVersions = list(header.software)
    ds.DeviceSerialNumber = header.device_serial
    ds.InstitutionName = header.institution
    ds.ImageComments = header.comments
    ds.BurnedInAnnotation = "NO"
    if header.private:
        ds.private_block(0x0099, "POLARNET TEST", create=True).add_new(1, "LO", header.private)
    return ds


def _add_isotope(ds: Dataset, header: Header) -> None:
    """Radiopharmaceutical Information Sequence: type 2, so empty where no tracer is told."""
    ds.RadiopharmaceuticalInformationSequence = []
    if header.tracer is None:
        return
    drug, nuclide = TRACERS[header.tracer]
    item = Dataset()
    item.Radiopharmaceutical = drug[2]
    item.RadiopharmaceuticalStartTime = header.study_time
    if header.is_coded:
        item.RadionuclideCodeSequence = [code_item(nuclide)]
        item.RadiopharmaceuticalCodeSequence = [code_item(drug)]
    else:
        item.RadionuclideCodeSequence = []
    ds.RadiopharmaceuticalInformationSequence = [item]


def _add_agent(ds: Dataset, header: Header) -> None:
    """Intervention Drug Information Sequence (0018,0026), of the PET and NM isotope modules."""
    if header.agent is None:
        return
    item = Dataset()
    item.InterventionDrugName = header.agent
    if header.is_coded:
        item.InterventionDrugCodeSequence = [code_item(AGENTS[header.agent])]
    ds.InterventionDrugInformationSequence = [item]


def _add_state(ds: Dataset, header: Header) -> None:
    """Rest or stress: PS3.3 A.21.3.1 names PS3.16 TID 3470 "NM/PET Acquisition Context" for it."""
    if header.state and header.is_coded:
        state = STATES[header.state_coding][header.state]
        ds.AcquisitionContextSequence = [_state_item(state)]


def _state_item(state: Code, frame: int | None = None) -> Dataset:
    """Patient State (109054, DCM) in an Acquisition Context Sequence, for one frame or for all.

    A frame is named by (0008,1160); before PS3.3 C.7.6.14 changed, by the retired (0040,A136).
    """
    item = Dataset()
    item.ValueType = "CODE"
    item.ConceptNameCodeSequence = [code_item(("109054", "DCM", "Patient State"))]
    item.ConceptCodeSequence = [code_item(state)]
    if frame is not None:
        item.ReferencedFrameNumber = frame
    return item


def _add_plane(ds: Dataset, header: Header) -> None:
    """Invented geometry: a polar map lies nowhere in the patient, a PT image has to."""
    ds.FrameOfReferenceUID = _uid("frame of reference", header.study_uid_used)
    ds.PositionReferenceIndicator = None
    ds.ImagePositionPatient = [0, 0, 0]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [1, 1]
    ds.SliceThickness = 1


def _add_pixels(ds: Dataset, pixels: np.ndarray, is_signed: bool = False) -> None:
    """Gray pixels, 16-bit or float32, of shape (rows, columns) or (frames, rows, columns)."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[-2:]
    if pixels.dtype == np.float32:
        ds.BitsAllocated = 32
        ds.FloatPixelData = pixels.astype("<f4").tobytes()
        return
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(is_signed)
    ds.PixelData = pixels.astype("<i2" if is_signed else "<u2").tobytes()


def _planes_and_mappings(
    maps: Mapping[str, np.ndarray], dtype: str, mapping_in: str, has_table: bool, has_labels: bool
) -> tuple[list[np.ndarray], list[Dataset]]:
    """Stored pixels and the mapping that undoes the storing, per frame."""
    planes, mappings = [], []
    common_top = max(float(np.max(values)) for values in maps.values())
    for name, values in maps.items():
        label = LABELS[name] if has_labels and mapping_in == "frames" else "MAP"
        told = {"unit": UNITS[name], "quantity": QUANTITIES[name], "label": label}
        top = common_top if mapping_in == "shared" else float(np.max(values))
        if dtype == "float32":
            planes.append(np.asarray(values, np.float32))
            last = float(np.float32(top))  # in float64 it may lie below the largest pixel
            mappings.append(real_world_mapping(1.0, last=last, is_float=True, **told))
        elif has_table:
            planes.append(np.rint(1023 * np.sqrt(np.asarray(values) / top)).astype(np.uint16))
            table = top * (np.arange(1024) / 1023) ** 2
            mappings.append(real_world_mapping(None, last=1023, table=table, **told))
        else:
            slope = float(f"{top / 65535:.8e}")
            planes.append(np.rint(np.asarray(values) / slope).clip(0, 65535).astype(np.uint16))
            mappings.append(real_world_mapping(slope, **told))
    return planes, mappings


def _add_functional_groups(
    ds: Dataset,
    maps: Mapping[str, np.ndarray],
    mappings: list[Dataset],
    mapping_in: str,
    has_labels: bool,
) -> None:
    """Shared and per-frame functional groups, and the dimension that numbers the frames."""
    header_plane = Dataset()
    _add_plane(header_plane, Header(study_uid=ds.StudyInstanceUID))
    ds.FrameOfReferenceUID = header_plane.FrameOfReferenceUID
    ds.PositionReferenceIndicator = None
    dimension = Dataset()
    dimension.DimensionOrganizationUID = _uid("dimension", ds.SOPInstanceUID)
    ds.DimensionOrganizationSequence = [dimension]
    index = Dataset()
    index.DimensionOrganizationUID = dimension.DimensionOrganizationUID
    index.DimensionIndexPointer = 0x00209453  # Frame Label
    index.FunctionalGroupPointer = 0x00209111
    index.DimensionDescriptionLabel = "Frame Label"
    ds.DimensionIndexSequence = [index]

    shared = Dataset()
    shared.PixelMeasuresSequence = [_only(header_plane, "PixelSpacing", "SliceThickness")]
    shared.PlaneOrientationSequence = [_only(header_plane, "ImageOrientationPatient")]
    shared.PlanePositionSequence = [_only(header_plane, "ImagePositionPatient")]
    transformation = Dataset()
    transformation.RescaleIntercept, transformation.RescaleSlope = 0, 1
    transformation.RescaleType = "US"
    shared.PixelValueTransformationSequence = [transformation]
    window = Dataset()
    window.WindowCenter, window.WindowWidth = 32768, 65536
    shared.FrameVOILUTSequence = [window]
    frame_type = Dataset()
    frame_type.FrameType = list(ds.ImageType)
    shared.ParametricMapFrameTypeSequence = [frame_type]
    if mapping_in == "shared":
        shared.RealWorldValueMappingSequence = [mappings[0]]
    ds.SharedFunctionalGroupsSequence = [shared]

    ds.PerFrameFunctionalGroupsSequence = []
    for number, (name, mapping) in enumerate(zip(maps, mappings, strict=True), start=1):
        content = Dataset()
        content.DimensionIndexValues = number
        content.FrameLabel = name if has_labels else f"frame {number}"
        frame = Dataset()
        frame.FrameContentSequence = [content]
        if mapping_in == "frames":
            frame.RealWorldValueMappingSequence = [mapping]
        ds.PerFrameFunctionalGroupsSequence.append(frame)


def _only(ds: Dataset, *keywords: str) -> Dataset:
    item = Dataset()
    for keyword in keywords:
        item[keyword] = ds[keyword]
    return item


def _compress(ds: Dataset, syntax: str) -> Dataset:
    """A copy with encapsulated pixels, of images that have one frame."""
    is_rgb = ds.SamplesPerPixel == 3
    changed = copy.deepcopy(ds)
    if syntax in ("RLE", "JPEG-LS"):
        changed.file_meta = FileMetaDataset()
        changed.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        changed.compress(SYNTAXES[syntax], encoding_plugin="" if syntax == "JPEG-LS" else "pydicom")
        changed.SOPInstanceUID = ds.SOPInstanceUID
        return changed
    dtype = np.uint8 if ds.BitsAllocated == 8 else np.dtype("<u2")
    shape = (ds.Rows, ds.Columns, 3) if is_rgb else (ds.Rows, ds.Columns)
    pixels = np.frombuffer(ds.PixelData, dtype, count=int(np.prod(shape))).reshape(shape)
    coded = jpeg_lossless(pixels) if syntax == "JPEG lossless" else _by_pillow(pixels, syntax)
    if syntax == "JPEG baseline":
        changed.LossyImageCompression = "01"
        changed.LossyImageCompressionRatio = round(pixels.nbytes / len(coded), 2)
        changed.LossyImageCompressionMethod = "ISO_10918_1"
    if is_rgb:
        changed.PhotometricInterpretation = {
            "JPEG 2000": "YBR_RCT",
            "JPEG baseline": "YBR_FULL_422",
        }[syntax]
    changed.PixelData = encapsulate([coded])
    changed["PixelData"].VR = "OB"
    changed["PixelData"].is_undefined_length = True
    return changed


def _by_pillow(pixels: np.ndarray, syntax: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    if syntax == "JPEG 2000":
        Image.fromarray(pixels).save(buffer, "JPEG2000", irreversible=False, no_jp2=True, mct=1)
    else:
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90, subsampling=1)
    return buffer.getvalue()


def _uid(*parts: str) -> str:
    """The same parts give the same UID, so that two files of one study agree."""
    return generate_uid(entropy_srcs=["polarnet tests", *parts])
