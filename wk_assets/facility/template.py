"""The commented wk_assets.yaml that `wk-assets init` writes. Text only; a test loads it."""

from wk_assets.facility.campaign_template import CAMPAIGN_TEMPLATE

_TEMPLATE = """\
# wk-assets: what this facility has, and what becomes of it. Check it with `wk-assets check`.
# Paths start at the folder of this file. Sizes are written like 5 GiB or 500 MB.
# Secrets never stand here: the WEBKNOSSOS token comes from the environment variable WK_TOKEN.
version: 1

storage:
  root: datasets          # where datasets are kept (overridden by WK_ASSETS_STORAGE_ROOT)
  layout: ome             # ome: WEBKNOSSOS and OME-Zarr at once | webknossos: as WEBKNOSSOS' own tools write
  minimum_free: 5 GiB     # an import that would leave less than this on the disk does not start

compute:
  threads: auto           # auto: every core (overridden by WK_ASSETS_THREADS)
  memory: 1 GiB           # peak memory of an import, whatever the image's size (overridden by WK_ASSETS_MEMORY)

previews:
  url: null               # where the folder previews/ is served, e.g. http://127.0.0.1:3071

# The server on which datasets are published. Its token comes from an environment variable, never from this file.
webknossos:
  url: null               # e.g. https://webknossos.example.org; null: nothing is published
  token_variable: WK_TOKEN  # the name of the variable that holds the token of an administrator or team manager
  mode: upload            # upload: by HTTP | paths: this machine reaches the server's storage
  # transfer: copy        # with mode paths: copy or symlink
  # path_prefix: /srv/wk  # with mode paths: which of the server's storage paths, if it has several
  # link_url: null        # the address that people open, if it is another one than url
  # lineage_url: null     # the address of the Dagster UI, e.g. http://127.0.0.1:3000, for links in descriptions

instruments:
  - name: lightsheet      # letters, digits, '-', '_', '.'
    watch: inbox          # one sub-folder per acquisition appears here; it is polled and never changed
    acquisitions: "*"     # which sub-folders are acquisitions; "*/*" for one folder per user above them

    # When is an acquisition finished? One of six rules:
    finished: {rule: marker, file: DONE}
    #   {rule: marker, file: "{name}.keep"}                        one marker per image
    #   {rule: manifest, file: "manifest*.yml", key: files}        all files that a manifest names are there
    #   {rule: expected_count, count: 500, files: "*.tif"}         or count_file: run.json with count_key: fovs
    #   {rule: log, file: "logs/*.txt", end: "ACQUISITION COMPLETE"}   or item: "SLICE COMPLETE" with count: 500
    #   {rule: quiet, seconds: 60}                                 nothing changed in two scans: the last resort
    #   {rule: rename, of: files, temporary: ["*.part"]}           or of: folder, renamed when all is written

    ignore: []            # files that do not count, e.g. ["*.log", "thumbs/**"]; hidden and temporary ones never do
    dataset: "{acquisition}"      # the dataset's name; {instrument} may be used too

    # from_files: read it from the images' metadata; an import without a voxel size is refused.
    voxel_size: from_files        # or {x: 260, y: 260, z: 290, unit: nanometer}

    layers:
      - name: nuclei
        category: color           # color: any image | segmentation: labels
        files: "nuclei_z*.tif"    # '*' within a name, '**/' for any folders; or a list of patterns
        # axes: zyx               # names the axes of files that do not name them, slowest first
        # channel: 0              # takes one of several channels (two layers may share files then)
        # on_bad_slice: fail      # or black, repeat: fill a missing or unreadable slice, and report it
        # expected_slices: 250    # fewer or more stop the import
        # mode: max               # how this layer alone is downsampled
      - name: labels
        category: segmentation
        files: "labels_z*.tif"

    pyramid:
      sampling: anisotropic       # or isotropic, constant_z
      coarsest: auto              # or a mag: 16, "16-16-4"
      mode: auto                  # median for color, mode for segmentation; or max, min, mean, nearest for color

    array:
      chunk: 32                   # voxels per edge of the unit that is compressed
      shard: 256                  # voxels per edge of one stored file
      compression: auto           # the lowest zstd level within 2 % of the smallest, by a sample of each layer;
                                  # or fast (1), webknossos (5), compact (9), none, {zstd: 7}, {auto: 10} (within 10 %)

    publish: false                # true, or what is set on the server (left out: it stays as it is there):
    #   folder: raw/lightsheet    # by names from the root; made if it is not there
    #   teams: [annotators]       # who may see it
    #   tags: [lightsheet]        # tags that people gave stay
    #   public: false             # true: everybody, without a login
    #   view: {zoom: 2, position: [100, 100, 50]}   # how it is shown at first
    #   datasets: [{match: "test_*", enabled: false}]   # what is different for some datasets
"""


def configuration_template() -> str:
    """Give the text of a commented file; it loads as it is."""
    return _TEMPLATE + CAMPAIGN_TEMPLATE
