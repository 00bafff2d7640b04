-- What makes the account the user's login: a second factor, other applications, and what its owner manages.

-- Second factor: TOTP and recovery codes.

-- Passkeys.

-- OpenID Connect.

-- The portal.

-- Locations that ask for a second factor.
