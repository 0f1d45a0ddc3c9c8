# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sphinx's settings; ./shadow docs runs it.

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'ext'))
extensions = ['guest_life']

project = 'Shadow devices for QEMU'
html_title = project
html_theme = 'alabaster'
html_theme_options = {'page_width': '1100px', 'fixed_sidebar': True}
html_sidebars = {'**': ['about.html', 'navigation.html', 'searchbox.html']}

# What is set off is commands, messages and QMP.
highlight_language = 'none'
