"""Reports: pages, pictures and notebook cards, drawn from records alone. Nothing here trains or loads torch."""
