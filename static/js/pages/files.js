import { bytes, h, time } from '../main.js';
import { holds, kindOf, stateOf, uploader } from '../parts/files.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, withQuery } from '../router.js';
import { can } from '../session.js';

const columns = [
  { label: 'Name', sort: 'name', fit: true, cell: (file) => file.name },
  { label: 'Kind', sort: 'content_type', phoneLabel: 'Kind', cell: kindOf },
  { label: 'Size', sort: 'size', numeric: true, phoneLabel: 'Size', cell: (file) => bytes(file.size) },
  { label: 'Holds', fit: true, phoneOff: true, cell: holds },
  { label: 'State', cell: stateOf },
  { label: 'Uploaded', sort: 'created_at', phoneLabel: 'Uploaded', cell: (file) => time(file.created_at) },
];

const KINDS = {
  images: 'content_type ~ "image/"',
  text: '(content_type ~ "text/" or content_type = "application/json")',
  documents: '(content_type = "application/pdf" or content_type ~ "document")',
  damaged: 'state = "failed"',
};

function params(query) {
  return {
    q: query.get('search'),
    filter: KINDS[query.get('kind')],
    deleted: query.get('deleted') && 'only',
    entity_id: query.get('entity'),
  };
}

export default function files({ root }) {
  const list = listView({
    path: '/files',
    noun: 'file',
    columns,
    params,
    sort: '-created_at',
    live: ['files'],
    hidden: ['entity'],
    rowHref: (file) => withQuery({ open: file.id }),
    search: { placeholder: 'Search by name' },
    filters: [
      {
        name: 'kind',
        label: 'Kind',
        options: [
          ['', 'Any kind'],
          ['images', 'Images'],
          ['documents', 'Documents'],
          ['text', 'Text and data'],
          ['damaged', 'Damaged'],
        ],
      },
      {
        name: 'deleted',
        label: 'Deleted',
        options: [
          ['', 'Not deleted'],
          ['only', 'Deleted'],
        ],
      },
    ],
    empty: {
      icon: 'upload',
      title: 'No files yet',
      text: 'Images, documents, tables and archives, checked by their content and never run by a browser.',
    },
  });
  const place = h('div', { class: 'card', hidden: true });
  new MutationObserver(() => {
    place.hidden = !place.children.length;
  }).observe(place, { childList: true });
  root.append(
    pageHead({
      title: 'Files',
      lead: 'What people and programs uploaded, told by its content.',
      actions: can('files', 'create') ? [uploader({ place, sent: () => list.reload() })] : [],
    }),
    place,
    list.node,
  );
  return listWithDrawer(list, async (id, state) => (await import('../drawers/file.js')).fileDrawer(id, state));
}
