-- Which of the events that match a webhook's patterns it is told of: targets and outcomes as JSON; nothing said is any.
ALTER TABLE webhooks ADD COLUMN filter TEXT NOT NULL DEFAULT '{"target_types":[],"outcomes":[]}';
