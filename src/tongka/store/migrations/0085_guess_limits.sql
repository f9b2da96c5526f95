-- How many wrong ones within an hour are borne of each: so that it can be told who is locked out, and until when.
ALTER TABLE wrong_guess ADD COLUMN most int NOT NULL DEFAULT 5 CHECK (most > 0);
