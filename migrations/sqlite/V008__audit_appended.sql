-- Events are only added behind the last one: replacing a row by inserting its number again would be a change.
CREATE TRIGGER audit_events_in_order BEFORE INSERT ON audit_events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit_events)
BEGIN SELECT RAISE(ABORT, 'audit events are only added behind the last one'); END;
