"""What national law settles: one table a country, and the law that reads them."""
