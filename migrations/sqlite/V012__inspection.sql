-- What request inspection does with findings in the entities of a type.
ALTER TABLE entity_types ADD COLUMN inspection TEXT; -- off, observe or block; null: as the server does
