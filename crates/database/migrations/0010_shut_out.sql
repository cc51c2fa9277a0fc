-- Ids of clients that an administrator revoked: only a token for that client alone admits one under such an id again.
-- Removing a client leaves its id as it is.
CREATE TABLE shut_out (
    client TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of ids that nobody has, it is not known here which were revoked and which removed: it is safe to take them for revoked.
INSERT INTO shut_out (client, since)
SELECT client, max(revoked) FROM revoked WHERE client NOT IN (SELECT client FROM identities) GROUP BY client;
