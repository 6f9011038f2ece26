"""Reports of a run: one page, a picture, a print, a workbook and data for programs, all from the same figures.

The same run gives the same files, byte for byte. A format whose library is missing or a folder that cannot be written
raises BadSettings; nothing half-written is left under a report's name.
"""

from app.reports.comparison import write_comparison
from app.reports.report import Report, Surface
from app.reports.write import FORMATS, check_formats, write_report

__all__ = ["FORMATS", "Report", "Surface", "check_formats", "write_comparison", "write_report"]
