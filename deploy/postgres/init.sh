# Makes the platform's role, which is no superuser, and its database. The official image runs it once, for a new cluster.
psql --set ON_ERROR_STOP=1 --set password="$(cat /run/secrets/segops_database_password)" <<'SQL'
CREATE ROLE segops LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE segops OWNER segops;
SQL
