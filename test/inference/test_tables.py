# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Tables go between their markers and nothing else changes."""

from __future__ import annotations

import pytest

from rs_onboard.inference.tables import markdown_table, write_between_markers

BEGIN, END = '<!-- models bench -->', '<!-- /models bench -->'


def test_a_table_has_text_on_the_left_and_numbers_on_the_right():
    table = markdown_table(('name', 'ms'), [('a|b', '1'), ('c', '2')], left=1)
    assert table == '| name | ms |\n|---|--:|\n| a/b | 1 |\n| c | 2 |\n'


def test_the_table_goes_between_its_markers_and_nothing_else_changes(tmp_path):
    path = tmp_path / 'README.md'
    path.write_text(f'before\n{BEGIN}\nold\n{END}\nafter\n')
    for content in ('new\n', 'newer\nstill\n'):
        write_between_markers(path, 'models bench', content)
        assert path.read_text() == f'before\n{BEGIN}\n{content}{END}\nafter\n'


@pytest.mark.parametrize('text', ['nothing here\n', f'{END}\n{BEGIN}\n', f'{BEGIN}\n'])
def test_a_file_without_both_markers_in_order_is_left_alone(tmp_path, text):
    path = tmp_path / 'README.md'
    path.write_text(text)
    with pytest.raises(ValueError, match='Add them where the table shall stand'):
        write_between_markers(path, 'models bench', 'table\n')
    assert path.read_text() == text
