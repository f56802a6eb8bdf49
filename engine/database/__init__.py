"""PostgreSQL: the tables, the one class that speaks SQL, and the private server of users who have none."""
