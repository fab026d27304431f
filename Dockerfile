FROM python:3.11-slim
WORKDIR /archsim
COPY . .
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/plots.txt \
 && pip install --no-cache-dir --no-deps --no-build-isolation .
WORKDIR /work
ENTRYPOINT ["archsim"]
