-- What a patient-bound connection need not do: second looks and presences are written by node-wide ones, notices by tell().
REVOKE UPDATE ON emergency FROM salus_bound;
REVOKE INSERT, UPDATE ON presence FROM salus_bound;
REVOKE INSERT ON notice FROM salus_bound;
