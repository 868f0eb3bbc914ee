"""The clinic's table in the words of a cohort."""
