"""Files that other tools read or write: GDSII, DEF, LEF, pictures, lists of pins."""
