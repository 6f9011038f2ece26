"""Wire protocols of the venue: one package per exchange whose clients can trade here."""
