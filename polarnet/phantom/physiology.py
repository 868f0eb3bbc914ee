"""Every number of the phantom, with its unit and where it comes from.

"Our choice" is said where no published number was found. Nothing here was chosen by looking at
what a network makes of the maps; what was adjusted, so that published group means come out of
the mixture, says so.
"""

from typing import Final

# === Flow level =================================================================================
REST_MBF: Final = 1.00
STRESS_MBF: Final = 2.51
"""mL/min/g, median without risk factors, stress at age 65. Adjusted so that means without CAD or
risk factors are the 1.02 (SD 0.22) and 2.54 (SD 0.41) of Opstal et al. 2018, N-13 ammonia,
doi 10.1186/s41824-018-0029-z."""

WOMEN_TO_MEN_REST: Final = 1.15
WOMEN_TO_MEN_STRESS: Final = 1.09
"""Ratios: our choice, below those of Brown et al., Leicester figshare 24721752 (0.69 / 0.58, 2.41 /
2.13), so that flow reserve has the ratio of about 0.95 of the Danish registry, Eur Heart J 2023
(2.30 / 2.44)."""

AGE_OF_LEVEL: Final = 65.0
STRESS_PER_DECADE: Final = 0.959
"""Years at which the level above holds (our choice), and factor on stress flow per decade of age:
-0.07 of 1.71 mL/min/g. Metzinger et al.,
Circulation abstract 17801; rest flow is flat there."""

STRESS_FACTOR: Final = {"diabetes": 0.90, "hypertension": 0.96, "dyslipidemia": 0.975}
"""Factors on stress flow: our choice, weaker than in the selected groups of Yokoyama et al.,
JACC 1997;30:1472 (diabetes, 0.70) and Gimelli et al., JACC 1998;31:366. Smoking has none:
Campisi et al., doi 10.1161/01.cir.98.2.119. None acts on resting flow: our choice, as in those N-13
studies; by magnetic resonance diabetics have more."""

# === Spread of the level: SDs of logarithms =====================================================
RPP_ELASTICITY: Final = 0.9
"""Per cent of rest flow per per cent of rate-pressure product, about 1.0 mL/min/g per 10,000
mmHg/min. After Campisi et al. 1998 and Czernin et al., doi 10.1161/01.cir.88.1.62; the coupling
is lost in diabetics (Diabetes 2007;56:468) and in smokers (doi 10.1159/000047298)."""

REST_BETWEEN_SD: Final = 0.04
STRESS_BETWEEN_SD: Final = 0.11
"""Between patients, beside sex, age and rate-pressure product, so that the SDs are those of
Opstal et al. 2018."""

REST_WITHIN_SD: Final = 0.105
STRESS_WITHIN_SD: Final = 0.10
"""Between studies of one patient, beside the rate-pressure product: our choice, so that the mean
differences of two studies are near those of Nagamachi et al., J Nucl Med 1996;37:1626 (rest 16 %,
stress 12 %)."""

LEVEL_CORRELATION: Final = 0.25
"""Of these deviations at rest and at stress: our choice, so that the flow reserve has the SD 0.61
of Opstal et al. 2018."""

# === Patients ===================================================================================
AGE_MEAN: Final = 66.0
AGE_SD: Final = 11.0
AGE_RANGE: Final = (30.0, 92.0)
"""Years, truncated normal: our choice."""

WOMEN: Final = 0.45
"""Share: our choice, between the published cohorts."""

BMI_MEAN: Final = 27.0
BMI_LOG_SD: Final = 0.16
BMI_IF_DIABETIC: Final = 1.08
"""kg/m2, log-normal; diabetics' factor: our choice. No direct effect on flow."""

LOG_ODDS: Final = {
    "diabetes": {"all": -1.68, "age": 0.10},
    "hypertension": {"all": -0.20, "age": 0.35, "sex": 0.10, "diabetes": 0.8},
    "dyslipidemia": {"all": -0.05, "age": 0.10, "diabetes": 0.4},
    "smoking": {"all": -1.62, "age": -0.45, "sex": -0.40},
    "diseased": {"all": -0.85, "age": 0.08, "sex": -0.50, "diabetes": 0.50},
}
"""Intercept, per decade from the mean age, if female, if diabetic: our choice, for about 16 %
diabetes, 50 % hypertension, 50 % dyslipidemia, 15 % current smoking (younger, more often men) and
27 % epicardial disease. That the latter hardly rises with age and not with other risk factors keeps
the published effects of age and traits on flow from being counted twice."""

KNOWN_CAD_IF_DISEASED: Final = 0.6
KNOWN_CAD_IF_NOT: Final = 0.06
"""Shares with CAD on record: our choice."""

NOT_RECORDED: Final = {
    "diabetes": 0.02, "hypertension": 0.03, "dyslipidemia": 0.05, "smoking": 0.08,
}  # fmt: skip
"""Share of patients whose label is missing, whatever it is: our choice."""

SECOND_STUDY: Final = 0.07
SECOND_STUDY_AFTER: Final = (0.3, 3.0)
"""Share of patients, and years until it: our choice."""

# === Heart rate (beats/min) and systolic pressure (mmHg) ========================================
HR_REST: Final = 66.0
SBP_REST: Final = 129.0
"""Median of a man of 66 without risk factors: our choice, so that without risk factors the
rate-pressure product is near the 8,634 (SD 1,890) of older volunteers in Czernin et al. 1993."""

HR_FACTOR: Final = {"sex": 1.03, "diabetes": 1.03}
SBP_IF_HYPERTENSIVE: Final = 1.06
SBP_PER_DECADE: Final = 1.02
"""Factors, heart rate if female and if diabetic: our choice."""

HR_BETWEEN_SD: Final = 0.125
HR_WITHIN_SD: Final = 0.07
SBP_BETWEEN_SD: Final = 0.10
SBP_WITHIN_SD: Final = 0.07
"""SDs of logarithms: our choice, for the same product."""

HR_RISE: Final = (18.0, 8.0)
SBP_RISE: Final = (-4.0, 10.0)
"""Mean and SD of the change from rest to vasodilator stress: our choice. No effect on flow."""

# === Normal pattern: share of the mean of the ventricle =========================================
REST_PATTERN: Final = (
    .98, .86, .85, .98, 1.03, 1.08, 1.03, 1.08, 1.10, 1.15, 1.13, 1.23, .92, .96, .96, 1.06, .77,
)  # fmt: skip
STRESS_PATTERN: Final = (
    .95, .85, .83, .96, 1.00, 1.01, 1.05, 1.17, 1.17, 1.13, 1.11, 1.17, .96, 1.07, .98, 1.07, .81,
)  # fmt: skip
"""AHA segments 1 to 17, mean of normal Rb-82 studies. Read from mean maps in the figures of
mitre/BayesGrad (Ottawa); reading error about 0.02. The low apex is what Steffen et al.,
doi 10.1007/s12350-018-1397-2, call apical thinning and saw in 93 % of N-13 studies."""

# fmt: off
PROFILE_RADII: Final = (.05, .15, .25, .35, .45, .55, .65, .75, .85, .95, 1.05, 1.15)
REST_PROFILE: Final = (.70, .76, .86, .95, 1.03, 1.10, 1.13, 1.11, 1.01, .85, .63, .47)
STRESS_PROFILE: Final = (.73, .79, .90, .99, 1.07, 1.13, 1.14, 1.10, .99, .81, .55, .37)
# fmt: on
"""Mean over the angle at these shares of the disc radius, same maps."""

REST_LAST_RING: Final = (.90, .70, .69, .87, .97, .98)  # fmt: skip
STRESS_LAST_RING: Final = (.84, .67, .64, .84, .91, .91)  # fmt: skip
"""At radius 0.95, by wall: anterior, anteroseptal, inferoseptal, inferior, inferolateral,
anterolateral; the septum ends in membrane. Same maps."""

LATERAL_FACTOR: Final = {"Rb-82": 1.0, "N-13 ammonia": 0.97}
"""On the lateral wall, by tracer: our choice, a mild form of the lower lateral uptake reported
for N-13 ammonia."""

# === How normal patterns differ =================================================================
ANATOMY_SD: Final = 0.055
STATE_SD: Final = 0.04
ZERNIKE_ORDER: Final = 5
"""SD of smooth departures from the pattern, of a patient and of a single map, and highest order of
the Zernike polynomials they are made of in equal parts: our choice, near the spread and the
correlation lengths of 100 maps of the PhysioNet database, doi 10.13026/ce2z-dw74."""

HETEROGENEOUS_HYPERTENSION: Final = (0.5, 0.05)
"""Share of hypertensives with uneven stress flow, and SD of that unevenness. That there are two
kinds: Gimelli et al. 1998; numbers: our choice."""

SMALL_VENTRICLE_OF_WOMEN: Final = 1.3
"""Difference of the means of women and men in SDs of the size of the ventricle: our choice."""

BLUR_WIDTH: Final = 0.13
BLUR_SHARE: Final = (0.5, 0.2)
BASAL_LOSS: Final = (0.75, 0.06)
"""A small ventricle is seen more blurred and loses flow at its base. Width (SD of a Gaussian, share
of the disc radius) and share of the blur (mean; change for one SD of size); radius from where the
base loses, and loss at the edge for one SD: our choice, so that sex can be read from 17 segments
with an AUROC between 0.72 and 0.80."""

# === Epicardial disease =========================================================================
VESSEL_COUNTS: Final = {
    ("LAD",): 88, ("RCA",): 56, ("LCx",): 39, ("LAD", "RCA"): 39, ("LAD", "LCx"): 41,
    ("RCA", "LCx"): 38, ("LAD", "RCA", "LCx"): 28,
}  # fmt: skip
"""Diseased studies by vessel in the test set of mitre/BayesGrad."""

DISEASED_TO_NORMAL: Final = {
    "LAD": (.87, .85, 1, 1, 1, .97, .74, .80, .95, 1, 1, .89, .69, .77, .96, .90, .71),
    "RCA": (1, .98, .75, .57, .86, 1, 1, 1, .83, .58, .83, .99, 1, .96, .70, .96, .93),
    "LCx": (1, 1, 1, .89, .63, .79, .98, 1, 1, .86, .63, .80, .96, .98, .87, .73, .93),
}  # fmt: skip
"""Stress, mean of the studies with that vessel alone diseased / normal mean, by segment, each
study scaled to its maximum; same maps, values above 1 set to 1."""

SHARED_SEGMENTS: Final = {
    ("LAD", "RCA"): (3, 9, 15), ("RCA", "LCx"): (4, 5, 10, 11), ("LAD", "LCx"): (12, 16),
}  # fmt: skip
"""Segments that either vessel may supply: after Pereztol-Valdes et al. 2005,
doi 10.1093/eurheartj/ehi496, and, for segment 16, the AHA default. How often which: the shares of
the losses above."""

CORE: Final = {"LAD": (13,), "RCA": (4, 10), "LCx": (5, 11)}
"""Segments that lose most in the same maps: a diseased vessel always supplies them (our choice)."""

DEPTH_RANGE: Final = {"LAD": (0.10, 0.60), "RCA": (0.15, 0.80), "LCx": (0.15, 0.70)}
DEPTH_SHAPE: Final = 2.0
LESION_RIM: Final = 0.3
LEAST_KEPT: Final = 0.1
"""Drop of stress flow in the core of a diseased territory, symmetric beta in this range; width of
the rim, where a lesion's reach ends, as a share of its range; least share of flow left anywhere.
Our choice, so that group means lose what the maps above show."""

SCAR_SHARE: Final = {"LAD": 0.36, "RCA": 0.68, "LCx": 0.47}
SCAR_RANGE: Final = (0.5, 1.0)
"""Share of patients with scar, by the vessel with the highest share, and share of all their stress
defects that is fixed: our choice, so that rest flow in the cores is near 0.88 to 0.95 (LAD), 0.78
(RCA) and 0.87 (LCx) of the same maps."""

# === Measurement: drawn apart from everything a patient is ======================================
NOISE_SD: Final = 0.07
NOISE_SPREAD: Final = 0.2
NOISE_WIDTH_MM: Final = 6.0
"""Multiplicative noise: SD, SD of its logarithm between maps, and width (SD of a Gaussian, mm in
space) of its grains, which also are so far apart. Our choice; no published value for pixels was
found."""

WALL_LENGTH: Final = 83.0
WALL_RADIUS: Final = 26.0
WALL_BEYOND: Final = 1.25
"""Apex to base and half width of the ventricle in mm, only for the shape of the grains: medians of
100 studies of the PhysioNet database, doi 10.13026/ce2z-dw74; and how far the wall goes on, as a
multiple of that length, our choice."""

MISREGISTRATION_SHARE: Final = 0.04
MISREGISTRATION_RANGE: Final = (0.15, 0.35)
MISREGISTRATION_AT: Final = (20.0, 45.0)
MISREGISTRATION_FROM: Final = 0.5
"""Share of maps where the attenuation image is displaced, loss of flow at the lateral wall, and
where: middle and SD in degrees from the lateral wall towards the anterior one, and share of the
radius from which it is full. Our choice."""

MOTION_SHARE: Final = 0.04
MOTION_RANGE: Final = (0.08, 0.20)
"""Share of maps with motion, seen as two copies this share of the radius apart: our choice."""
