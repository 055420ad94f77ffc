"""What a process needs: logs, signals, deadlines."""
