"""A slow model of what adledger computes, in plain Python with exact fractions: the words of its rules, one at a time."""
