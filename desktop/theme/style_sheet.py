"""The style sheet: spacing and borders that Fusion's palette cannot say. Colours come from the theme's tokens."""

from __future__ import annotations

from desktop.theme.colours import Theme
from desktop.theme.icons import icon_file

_SHEET = """
QMainWindow::separator {{ background: {window}; width: 5px; height: 5px; }}
QMainWindow::separator:hover {{ background: {accent}; }}
QToolTip {{ color: {text}; background: {raised}; border: 1px solid {strong_border}; padding: 4px; }}

QMenuBar {{ background: {window}; padding: 1px 4px; }}
QMenuBar::item {{ padding: 4px 9px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected {{ background: {raised}; }}
QMenu {{ background: {panel}; border: 1px solid {strong_border}; padding: 4px; }}
QMenu::item {{ padding: 5px 26px 5px 22px; border-radius: 4px; }}
QMenu::item:selected {{ background: {selection}; }}
QMenu::item:disabled {{ color: {muted}; }}
QMenu::separator {{ height: 1px; background: {border}; margin: 4px 6px; }}
QToolBar {{ background: {window}; border: none; border-bottom: 1px solid {border}; spacing: 4px; padding: 3px 6px; }}
QToolBar::separator {{ background: {border}; width: 1px; margin: 4px 5px; }}
QStatusBar {{ background: {window}; border-top: 1px solid {border}; }}
QStatusBar::item {{ border: none; }}

QToolButton {{ padding: 4px 8px; border: 1px solid transparent; border-radius: 5px; background: transparent; }}
QToolButton:hover {{ background: {raised}; border-color: {border}; }}
QToolButton:checked {{ background: {selection}; border-color: {accent}; }}
QToolButton:focus {{ border-color: {accent}; }}
QToolButton::menu-indicator {{ width: 0px; }}
QToolButton[popupMode="1"] {{ padding-right: 20px; }}
QToolButton::menu-button {{ border: none; width: 18px; background: transparent; }}
QToolButton::menu-arrow {{ image: url({arrow_down}); width: 9px; height: 9px; }}
QToolButton[chip="true"] {{ padding: 2px 6px; border-color: {border}; background: {base}; }}
QToolButton[chip="true"]:hover {{ border-color: {strong_border}; }}
QToolButton[chip="true"]:checked {{ background: {selection}; border-color: {accent}; }}
QToolButton[badge="true"] {{ padding: 1px 6px; border-radius: 8px; }}
QFrame#story {{ background: {panel}; border: 1px solid {strong_border}; }}
QWidget#storyContent {{ background: {panel}; }}
QToolButton[legend="true"], QToolButton[legend="true"]:checked {{ padding: 1px 5px; background: transparent;
    border-color: transparent; }}
QToolButton[legend="true"]:hover {{ border-color: {border}; }}
QToolButton[legend="true"]:focus {{ border-color: {accent}; }}
QToolButton[chip="true"]:disabled {{ color: {muted}; }}

QPushButton {{ padding: 5px 12px; border: 1px solid {strong_border}; border-radius: 5px; background: {raised}; }}
QPushButton:hover {{ border-color: {accent}; }}
QPushButton:focus {{ border-color: {accent}; }}
QPushButton:pressed {{ background: {selection}; }}
QPushButton:disabled {{ color: {muted}; border-color: {border}; background: {window}; }}
QPushButton[primary="true"] {{ background: {accent}; color: {accent_text}; border-color: {accent};
    font-weight: bold; }}
QPushButton[primary="true"]:hover {{ border-color: {text}; }}
QPushButton[primary="true"]:disabled {{ background: {window}; color: {muted}; border-color: {border}; }}

QPushButton[cell="true"] {{ padding: 0px 8px; border-radius: 4px; }}
QWidget#seriesCell {{ background: {base}; }}
QWidget#seriesCell QProgressBar::chunk {{ background: {accent}; }}

QLineEdit, QAbstractSpinBox, QComboBox {{ background: {base}; border: 1px solid {strong_border}; border-radius: 4px;
    padding: 3px 6px;
    selection-background-color: {selection}; selection-color: {text}; min-height: 1.25em; }}
QLineEdit:hover, QAbstractSpinBox:hover, QComboBox:hover {{ border-color: {text}; }}
QLineEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {{ border-color: {accent}; }}
QLineEdit[bad="true"], QAbstractSpinBox[bad="true"] {{ border-color: {warning}; }}
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {{ background: {window}; color: {muted};
    border-color: {border}; }}
QComboBox::drop-down {{ border: none; width: 20px; }}
QComboBox::down-arrow {{ image: url({arrow_down}); width: 10px; height: 10px; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ border: none; width: 16px; background: transparent; }}
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover {{ background: {raised}; }}
QAbstractSpinBox::up-arrow {{ image: url({arrow_up}); width: 8px; height: 8px; }}
QAbstractSpinBox::down-arrow {{ image: url({arrow_down}); width: 8px; height: 8px; }}
QAbstractSpinBox[words="true"]::up-button, QAbstractSpinBox[words="true"]::down-button {{ width: 0px; }}
QAbstractSpinBox[words="true"]::up-arrow, QAbstractSpinBox[words="true"]::down-arrow {{ image: none; width: 0px; }}
QComboBox QAbstractItemView {{ background: {panel}; border: 1px solid {strong_border};
    selection-background-color: {selection}; selection-color: {text}; outline: none; }}

QAbstractItemView {{ background: {base}; alternate-background-color: {panel}; border: none; outline: none;
    selection-background-color: {selection}; selection-color: {text}; gridline-color: {border}; }}
QAbstractItemView::item {{ padding: 2px 4px; }}
QAbstractItemView::indicator {{ width: 13px; height: 13px; border: 1px solid {strong_border}; border-radius: 3px;
    background: {base}; }}
QAbstractItemView::indicator:checked {{ background: {accent}; border-color: {accent}; image: url({check}); }}
QListView[framed="true"], QTableView[framed="true"] {{ border: 1px solid {border}; border-radius: 4px; }}
QListView[framed="true"]:focus, QTableView[framed="true"]:focus {{ border-color: {accent}; }}
QTableView:focus {{ border: 1px solid {accent}; }}
QTableView {{ border: 1px solid transparent; }}
QHeaderView {{ background: {panel}; border: none; }}
QHeaderView::section {{ background: {panel}; color: {muted}; border: none; border-bottom: 1px solid {border};
    padding: 4px 16px 4px 6px; }}
QHeaderView::section:hover {{ color: {text}; }}
QHeaderView::up-arrow {{ image: url({arrow_up}); width: 9px; height: 9px; subcontrol-position: center right; }}
QHeaderView::down-arrow {{ image: url({arrow_down}); width: 9px; height: 9px; subcontrol-position: center right; }}

QCheckBox {{ spacing: 6px; }}
QCheckBox::indicator {{ width: 14px; height: 14px; border: 1px solid {strong_border}; border-radius: 3px;
    background: {base}; }}
QCheckBox::indicator:checked {{ background: {accent}; border-color: {accent}; image: url({check}); }}
QCheckBox:focus {{ color: {accent}; }}
QRadioButton {{ spacing: 6px; }}
QRadioButton::indicator {{ width: 12px; height: 12px; border: 1px solid {strong_border}; border-radius: 7px;
    background: {base}; }}
QRadioButton::indicator:checked {{ border: 4px solid {accent}; width: 6px; height: 6px; background: {accent_text}; }}
QRadioButton:focus {{ color: {accent}; }}
QWidget#settingsForm {{ background: {panel}; }}
QTextBrowser {{ background: {base}; border: 1px solid {border}; border-radius: 4px; }}
QToolButton#resultsButton, QToolButton#resultsButton:checked {{ border-color: transparent; background: transparent; }}
QToolButton#resultsButton:hover, QToolButton#resultsButton:focus {{ border-color: {accent}; }}
QWidget#databaseForm {{ background: {base}; }}

QTabBar {{ qproperty-drawBase: 0; }}
QTabBar::tab {{ padding: 6px 14px; color: {muted}; background: transparent; border: none;
    border-bottom: 2px solid transparent; }}
QTabBar::tab:hover {{ color: {text}; }}
QTabBar::tab:selected {{ color: {text}; border-bottom-color: {accent}; }}
QTabBar::tab:focus {{ color: {accent}; }}
QTabBar QToolButton {{ padding: 0px; border-radius: 0px; background: {panel}; }}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {strong_border}; border-radius: 3px; margin: 2px; min-height: 24px;
    min-width: 24px; }}
QScrollBar::handle:hover {{ background: {muted}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{ background: none;
    width: 0; height: 0; }}
QAbstractScrollArea::corner {{ background: transparent; }}

QProgressBar {{ background: {base}; border: 1px solid {border}; border-radius: 4px; text-align: center;
    color: {text}; max-height: 15px; }}
QProgressBar::chunk {{ background: {selection}; border-radius: 3px; }}

QScrollArea {{ border: none; background: transparent; }}
QWidget#setupContent, QWidget#setupPanel, QWidget#bottomPanel, QWidget#centrePanel {{ background: {panel}; }}
QWidget#setupFooter {{ background: {panel}; border-top: 1px solid {border}; }}
QWidget#dockTitle {{ background: {panel}; border-bottom: 1px solid {border}; }}
QWidget#filterBar {{ background: {panel}; border-bottom: 1px solid {border}; }}
QToolButton#sectionHeader {{ font-weight: bold; padding: 5px 2px; border: none; border-radius: 0; text-align: left;
    border-top: 1px solid {border}; }}
QToolButton#sectionHeader:hover {{ color: {accent}; background: transparent; }}
QToolButton#sectionHeader:checked {{ background: transparent; }}
QToolButton#sectionHeader:focus {{ color: {accent}; }}
QLabel[role="muted"] {{ color: {muted}; }}
QLabel[role="error"] {{ color: {negative}; }}
QLabel[role="warning"] {{ color: {warning}; }}
QLabel[role="good"] {{ color: {positive}; }}
QLabel[role="title"] {{ font-weight: bold; }}
QLabel[role="tileName"] {{ color: {muted}; }}
QWidget#tile {{ background: {base}; border: 1px solid {border}; border-radius: 6px; }}
QFrame#banner {{ background: {raised}; border: 1px solid {negative}; border-left: 4px solid {negative};
    border-radius: 5px; }}
QFrame#banner[level="warning"] {{ border-color: {warning}; }}
QFrame#banner[level="info"] {{ border-color: {accent}; }}
QFrame#toast {{ background: {raised}; border: 1px solid {strong_border}; border-radius: 6px; }}
QPlainTextEdit {{ background: {base}; border: 1px solid {border}; border-radius: 4px; }}
"""


def style_sheet(theme: Theme) -> str:
    """The style sheet in the theme's colours."""
    tokens = {
        name: getattr(theme, name)
        for name in (
            "window", "panel", "base", "raised", "border", "strong_border", "text", "muted", "accent",
            "accent_text", "selection", "positive", "negative", "warning",
        )
    }  # fmt: skip
    arrows = {
        "arrow_up": icon_file("arrow_up", theme.muted),
        "arrow_down": icon_file("arrow_down", theme.muted),
        "check": icon_file("check", theme.accent_text),
    }
    return _SHEET.format(**tokens, **arrows)
