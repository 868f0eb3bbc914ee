from .checklist import write_checklist as write_checklist
from .explanationpage import write_explanation as write_explanation
from .patientpage import write_patient_page as write_patient_page
from .resulttables import interval_text as interval_text
from .resulttables import trait_name as trait_name
from .resulttables import write_table as write_table
from .runreport import write_report as write_report
from .studyreport import write_study_report as write_study_report
