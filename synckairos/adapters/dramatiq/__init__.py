"""The queue between outbox and trail: broker, bell, actor, logs and alerts; neither sessions nor SQL."""
