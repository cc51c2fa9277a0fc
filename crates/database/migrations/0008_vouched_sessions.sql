-- Sessions of those whom an identity provider vouched for (I4): `administrator` is `oidc:` and the provider's subject, `role`
-- is what the provider vouched for. `issuer` says which provider, `name` what to show of them.
ALTER TABLE sessions ADD COLUMN issuer TEXT;
ALTER TABLE sessions ADD COLUMN name TEXT;
