"""`python -m archsim` is the command line."""

from archsim.cli.main import main

if __name__ == "__main__":
    main()
