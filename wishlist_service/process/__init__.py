"""What every process needs: logs, signals, deadlines."""
