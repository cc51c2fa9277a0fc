-- What an unknown client has proven with a certificate of this fleet; public_key '': nothing.
ALTER TABLE unknown_clients ADD COLUMN public_key TEXT NOT NULL DEFAULT '';          -- base64
ALTER TABLE unknown_clients ADD COLUMN encryption_key TEXT NOT NULL DEFAULT '';            -- base64
ALTER TABLE unknown_clients ADD COLUMN certificate_end INTEGER NOT NULL DEFAULT 0;
ALTER TABLE unknown_clients ADD COLUMN renewal INTEGER NOT NULL DEFAULT 0;           -- number of the statement that proved it

-- A CA that was stolen: its certificates are good for nothing but to be told to renew.
ALTER TABLE fleet_cas ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;
