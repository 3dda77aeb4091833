"""The queue between outbox and trail: broker, bell, actor and alerts; nothing of Redis' sessions or of SQL."""
