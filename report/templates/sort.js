// Sorts a table by the column whose head is clicked; a row's data-value goes before its text, none goes last.
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = table.tHead.rows[0].cells;
  for (let column = 0; column < heads.length; column++) {
    const button = document.createElement('button');
    button.append(...heads[column].childNodes);
    heads[column].append(button);
    button.addEventListener('click', () => {
      const up = heads[column].ariaSort !== 'ascending';
      for (const head of heads) head.removeAttribute('aria-sort');
      heads[column].setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const value = (row) => {
        const cell = row.cells[column];
        if (!cell) return null;
        if (cell.dataset.value !== undefined) return cell.dataset.value === '' ? null : Number(cell.dataset.value);
        return cell.textContent;
      };
      const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows.map(([, row]) => row));
      table.classList.toggle('sorted', column !== 0 || !up);
    });
  }
}
