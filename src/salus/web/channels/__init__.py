"""Ways of telling a person that there is a notice: one file each defines `CHANNEL`."""
