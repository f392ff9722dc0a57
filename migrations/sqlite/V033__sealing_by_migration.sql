-- The pointers of fields that were personal when the migration began: what the others hold is sealed on the way.
ALTER TABLE entity_type_migrations ADD COLUMN was TEXT NOT NULL DEFAULT '[]';
