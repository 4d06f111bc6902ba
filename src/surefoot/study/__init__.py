"""Studies: sweeps that are kept in a file, resumed, and spread over processes and machines."""
