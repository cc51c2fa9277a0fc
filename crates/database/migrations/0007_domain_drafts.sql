-- Every saved version of what a domain says explicitly (S7). Numbers are never used twice at a path: a domain that is
-- removed and added again goes on with its history.
CREATE TABLE domain_versions (
    path    TEXT NOT NULL,
    version INTEGER NOT NULL,
    saved   INTEGER NOT NULL,
    comment TEXT NOT NULL,
    content TEXT NOT NULL,    -- api::v1::DomainSettings
    items   INTEGER NOT NULL, -- settings, values and files in it
    PRIMARY KEY (path, version)
) STRICT;

CREATE TABLE domain_drafts (
    path         TEXT NOT NULL REFERENCES domains (path),
    name         TEXT NOT NULL,
    base_version INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    edited       INTEGER NOT NULL,
    content      TEXT NOT NULL,
    PRIMARY KEY (path, name)
) STRICT;

-- The version of `domain_versions` that holds; `version` is that of the signed document.
ALTER TABLE domains ADD COLUMN saved_version INTEGER NOT NULL DEFAULT 1;

INSERT INTO domain_versions (path, version, saved, comment, content, items)
SELECT path, 1, unixepoch(), 'set before versions were kept',
       json_object('settings', json(settings), 'values', json(extras -> '$.values'), 'files', json(extras -> '$.files')),
       (SELECT count(*) FROM json_each(settings)) + (SELECT count(*) FROM json_each(extras, '$.values'))
           + (SELECT count(*) FROM json_each(extras, '$.files'))
FROM domains;
