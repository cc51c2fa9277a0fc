-- How much room all reports take, kept by the triggers, so that a limit costs no scan.
CREATE TABLE report_bytes (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO report_bytes (id, bytes)
SELECT 1, coalesce(sum(length(CAST(body AS BLOB))), 0) FROM reports;
CREATE TRIGGER report_added AFTER INSERT ON reports BEGIN
    UPDATE report_bytes SET bytes = bytes + length(CAST(new.body AS BLOB));
END;
CREATE TRIGGER report_removed AFTER DELETE ON reports BEGIN
    UPDATE report_bytes SET bytes = bytes - length(CAST(old.body AS BLOB));
END;
