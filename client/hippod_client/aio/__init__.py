"""The asyncio client: its connection, its life, and its methods by noun."""
