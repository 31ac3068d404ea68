// Schema 9: the text and the name of what was sent with a message are found by the search. Frozen like every migration.
import type { Migration } from "./migrations.ts";

export const attachmentSearchMigration: Migration = {
  version: 9,
  name: "attachment-search",
  sql: `
-- Trigrams, as in message_search. What is not sent yet is not found: it belongs to no message.
CREATE VIRTUAL TABLE attachment_search USING fts5 (
  name, text, content = 'attachments', content_rowid = 'seq', tokenize = 'trigram remove_diacritics 1'
);
INSERT INTO attachment_search (rowid, name, text) SELECT seq, name, text FROM attachments WHERE message_id IS NOT NULL;
CREATE TRIGGER attachments_inserted AFTER INSERT ON attachments WHEN new.message_id IS NOT NULL BEGIN
  INSERT INTO attachment_search (rowid, name, text) VALUES (new.seq, new.name, new.text);
END;
CREATE TRIGGER attachments_deleted AFTER DELETE ON attachments WHEN old.message_id IS NOT NULL BEGIN
  INSERT INTO attachment_search (attachment_search, rowid, name, text) VALUES ('delete', old.seq, old.name, old.text);
END;
CREATE TRIGGER attachments_unindexed AFTER UPDATE OF message_id, name, text ON attachments WHEN old.message_id IS NOT NULL BEGIN
  INSERT INTO attachment_search (attachment_search, rowid, name, text) VALUES ('delete', old.seq, old.name, old.text);
END;
CREATE TRIGGER attachments_indexed AFTER UPDATE OF message_id, name, text ON attachments WHEN new.message_id IS NOT NULL BEGIN
  INSERT INTO attachment_search (rowid, name, text) VALUES (new.seq, new.name, new.text);
END;
`,
};
